// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// All samplers there are.

#include <span>

#include "samplers/family.h"
#include "samplers/source.h"

namespace rezolus {

// All families, in the order in which they are loaded.
std::span<const Family* const> families();

// All samplers that read files.
std::span<const FileSampler* const> file_samplers();

}  // namespace rezolus
