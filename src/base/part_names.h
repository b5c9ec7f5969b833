// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// How the files of one recording in parts are named: NAME.parquet, NAME.part2.parquet, … The first one
// has the name of the recording, and appears last.

#include <cstdint>
#include <string>
#include <vector>

namespace rezolus {

// The name of a part, counted from 1: out.parquet, out.part2.parquet, …
std::string part_name(const std::string& output, std::uint64_t part);

// The number of a part of this output, by its file's name; 0: it is none. Both without a folder.
std::uint64_t part_number(const std::string& output, const std::string& name);

// The output that this is a later part of, by its file's name; empty: it is none.
std::string part_output(const std::string& name);

// The later parts of this file that are there, in order.
std::vector<std::string> find_later_parts(const std::string& first);

// Of a file and its later parts. What is not there has none.
std::uint64_t size_with_parts(const std::string& first);

// The later parts go before the first, so that what is left of it after a crash is found again.
void remove_with_parts(const std::string& first);

}  // namespace rezolus
