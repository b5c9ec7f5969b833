// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Turns a finished log into Parquet by running the companion program `rezolus-recording`, which
// alone links Apache Arrow: at low priority, with a limit on its memory, as a child whose failure
// costs nothing, since the log stays.

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace rezolus {

inline constexpr std::uint64_t kConverterMemoryBytesMax = 256u << 20;

// Where rezolus-recording is: beside this program, else in ../libexec/rezolus, else in PATH. An
// error says which package has it.
Result<std::string> find_converter();

// Whether all series of the log have a column of their own in the Parquet file.
enum class Conversion : std::uint8_t { kWhole, kFolded };

// Writes parquet_path from log_path and waits for it. An error says why; whatever happens, the log
// stays as it is.
// layout: "wide" or "long"; parquet_path may be the URL of an object store.
Result<Conversion> convert_log(const std::string& converter, const std::string& log_path,
                               const std::string& parquet_path, const std::string& layout = "wide");

struct ConverterRun {
  // It is told to end once this is true, and killed when it does not within some seconds.
  const std::atomic<bool>* cancel = nullptr;
  std::uint64_t timeout_ns = 0;  // likewise after so long; 0: never
  // Takes what it says on stderr, at most 4 KiB, instead of letting it go to this process's. When it
  // fails, the error is the first line of that.
  std::string* said = nullptr;
};

// Runs the companion with these arguments, under the same limits, and waits for it.
Result<Conversion> run_converter(const std::string& converter, std::vector<std::string> arguments,
                                 const ConverterRun& run = {});

// "rezolus-recording convert LOG OUTPUT": what to type when the conversion did not happen.
std::string conversion_command(const std::string& log_path, const std::string& parquet_path,
                               const std::string& layout = "wide");

}  // namespace rezolus
