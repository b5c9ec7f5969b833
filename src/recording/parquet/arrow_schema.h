// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The footer's value of `ARROW:schema`, from which readers take the metadata of the fields. Arrow's
// own writer repeats every text for every field; here texts that are equal stand once, which halves
// the footer of a file with many columns. docs/formats/wide.md has the layout.

#include <string>

#include <arrow/type.h>

namespace rezolus {

// Requires: the fields are of 64-bit integers, doubles, or lists of 64-bit integers.
std::string arrow_schema_value(const arrow::Schema& schema);

}  // namespace rezolus
