// SPDX-License-Identifier: Apache-2.0 OR MIT
// Recordings of the original, rewritten by us as wide Parquet: how large they are beside what they
// were, and whether every value is still there. The recordings are looked for in
// ../shared/testdata/upstream beside the checkout, or in the folder that is the first argument.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "measure.h"
#include "recording/parquet/open_recording.h"
#include "recording/parquet/wide.h"

namespace rezolus::bench {
namespace {

constexpr double kRatioMax = 0.60;

// The indexes of a schema's series by name. A `_sum` beside a histogram may be read as its sum.
std::map<std::string, std::uint32_t> by_name(const Schema& schema) {
  std::map<std::string, std::uint32_t> names;
  for (std::uint32_t i = 0; i < schema.series.size(); ++i) {
    if (schema.series[i]) names[series_name(schema.series[i]->name, schema.series[i]->labels)] = i;
  }
  return names;
}

bool same_value(const Snapshot& a, std::uint32_t i, const Snapshot& b, std::uint32_t j) {
  const Series& x = *a.schema->series[i];
  const Series& y = *b.schema->series[j];
  if (x.type != y.type || a.present[i] != b.present[j]) return false;
  if (a.present[i] == 0) return true;
  if (x.type != MetricType::kHistogram) return a.scalars[i] == b.scalars[j];
  const HistogramRef& left = a.histograms[x.histogram_index];
  const HistogramRef& right = b.histograms[y.histogram_index];
  return x.histogram == y.histogram && left && right && left->buckets == right->buckets;
}

// How many values the two recordings share, or what differs.
Result<std::uint64_t> compare(SnapshotStream& before, SnapshotStream& after) {
  std::uint64_t values = 0;
  for (std::uint64_t row = 0;; ++row) {
    auto a = before.next();
    if (!a) return std::unexpected(a.error());
    auto b = after.next();
    if (!b) return std::unexpected(b.error());
    if (!*a && !*b) return values;
    if (!*a || !*b) return error("one has {} rows, the other has more", row);
    if ((*a)->realtime_ns != (*b)->realtime_ns) return error("row {}: other times", row);
    const auto left = by_name(*(*a)->schema);
    const auto right = by_name(*(*b)->schema);
    for (const auto& [name, index] : left) {
      const auto found = right.find(name);
      // What never had a value has no column.
      if (found == right.end()) {
        if ((*a)->present[index] != 0) return error("row {}: {} is gone", row, name);
        continue;
      }
      if (!same_value(**a, index, **b, found->second)) return error("row {}: {} differs", row, name);
      values += (*a)->present[index];
    }
  }
}

Result<double> measure_file(const std::filesystem::path& path, const std::string& output) {
  auto before = open_recording(path);
  if (!before) return std::unexpected(before.error());
  auto written = write_wide(*before->stream, output);
  if (!written) return std::unexpected(written.error());
  if (auto again = before->stream->rewind(); !again) return std::unexpected(again.error());
  auto after = open_recording(output);
  if (!after) return std::unexpected(after.error());
  auto values = compare(*before->stream, *after->stream);
  if (!values) return std::unexpected(values.error());
  const auto old_bytes = static_cast<double>(std::filesystem::file_size(path));
  const auto new_bytes = static_cast<double>(std::filesystem::file_size(output));
  fmt::print("{}: {} rows, {} columns, {:.0f} -> {:.0f} bytes; {} values, all equal\n",
             path.filename().string(), written->rows, written->columns, old_bytes, new_bytes,
             *values);
  return new_bytes / old_bytes;
}

int run(const std::filesystem::path& folder) {
  std::vector<std::string> names = {"demo", "AB_base", "vllm"};
  if (once()) names.resize(1);
  if (!std::filesystem::exists(folder)) {
    fmt::print("SKIPPED: there are no recordings of the original in {}\n", folder.string());
    return 0;
  }
  std::string work = (std::filesystem::temp_directory_path() / "rezolus-size-XXXXXX").string();
  if (::mkdtemp(work.data()) == nullptr) return 1;
  int exit_code = 0;
  for (const std::string& name : names) {
    const auto ratio = measure_file(folder / (name + ".parquet"), work + "/" + name + ".parquet");
    if (ratio) {
      print_target(name + ", ours over the original's", kRatioMax, *ratio, "");
    } else {
      fmt::print(stderr, "parquet_size: {}: {}\n", name, ratio.error().message);
      exit_code = 1;
    }
  }
  std::filesystem::remove_all(work);
  return exit_code;
}

}  // namespace
}  // namespace rezolus::bench

int main(int argc, char** argv) {
  return rezolus::bench::run(argc > 1 ? argv[1]
                                      : REZOLUS_SOURCE_DIR "/../shared/testdata/upstream");
}
