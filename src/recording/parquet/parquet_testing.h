// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What the tests of the Parquet writers share: a folder with a log of known values, and Arrow's own
// reading of what was written.

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <gtest/gtest.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>
#include <parquet/file_reader.h>

#include "recording/parquet/snapshot_stream.h"

namespace rezolus::testing {

class TestFolder {
 public:
  TestFolder() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "rezolus-parquet-XXXXXX").string();
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() { std::filesystem::remove_all(path_); }

  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// All of a file, each column in one array.
inline std::shared_ptr<arrow::Table> read_parquet(const std::string& path) {
  auto input = arrow::io::ReadableFile::Open(path).ValueOrDie();
  auto reader = parquet::arrow::OpenFile(input, arrow::default_memory_pool()).ValueOrDie();
  return reader->ReadTable().ValueOrDie()->CombineChunks().ValueOrDie();
}

template <typename ArrayType>
std::shared_ptr<ArrayType> column(const arrow::Table& table, const std::string& name) {
  const auto chunked = table.GetColumnByName(name);
  EXPECT_NE(chunked, nullptr) << name;
  return std::static_pointer_cast<ArrayType>(chunked->chunk(0));
}

// A file as foreign programs write it.
inline void write_parquet(const std::string& path, const arrow::Table& table,
                          std::int64_t rows_per_group, bool statistics = true) {
  auto sink = arrow::io::FileOutputStream::Open(path).ValueOrDie();
  parquet::WriterProperties::Builder properties;
  if (!statistics) properties.disable_statistics();
  const auto status = parquet::arrow::WriteTable(
      table, arrow::default_memory_pool(), sink, rows_per_group, properties.build(),
      parquet::ArrowWriterProperties::Builder().store_schema()->build());
  ASSERT_TRUE(status.ok()) << status.message();
  ASSERT_TRUE(sink->Close().ok());
}

// Changes one byte of the values of a column of the first row group: the last that is on disk.
inline void damage_column(const std::string& path, int column) {
  const auto chunk =
      parquet::ParquetFileReader::OpenFile(path)->metadata()->RowGroup(0)->ColumnChunk(column);
  std::int64_t begin = chunk->data_page_offset();
  if (chunk->has_dictionary_page()) begin = std::min(begin, chunk->dictionary_page_offset());
  const auto at = static_cast<std::streamoff>(begin + chunk->total_compressed_size() - 1);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(at);
  const auto byte = static_cast<char>(file.get() ^ 1);
  file.seekp(at);
  file.put(byte);
  ASSERT_TRUE(file.good());
}

// All that a snapshot says of its series, to the bit, whatever their order: a text for each that is there.
inline std::map<std::string, std::string> values_of(const Snapshot& snapshot) {
  std::map<std::string, std::string> texts;
  for (std::size_t i = 0; i < snapshot.present.size(); ++i) {
    if (snapshot.present[i] == 0) continue;
    const Series& series = *snapshot.schema->series[i];
    std::string value = fmt::format("{:x}", snapshot.scalars[i]);
    if (series.type == MetricType::kHistogram) {
      const HistogramValue& histogram = *snapshot.histograms[series.histogram_index];
      value = fmt::format("{}/{}", series.histogram.grouping_power, series.histogram.max_value_power);
      for (std::size_t k = 0; k < histogram.buckets.size(); ++k) {
        if (histogram.buckets[k] != 0) value += fmt::format(" {}:{}", k, histogram.buckets[k]);
      }
      if (histogram.sum_known) value += fmt::format(" = {}", histogram.sum);
    }
    const std::string name = fmt::format(
        "{} {}{}", series_name(series.name, series.labels), metric_type_name(series.type),
        series.floating ? ", floating" : "");
    EXPECT_TRUE(texts.emplace(name, fmt::format("{} [{}] {} ({})", value, series.unit, series.help,
                                                series.sampler)).second) << name;
  }
  return texts;
}

// Tick k of series that change before the third: a histogram its powers, with a sum only then, a gauge
// to fractions, a counter to a gauge.
inline Snapshot changing_tick(std::uint64_t k) {
  const bool late = k >= 2;
  const auto series = [](const char* name, MetricType type) {
    Series item;
    item.name = name;
    item.type = type;
    return item;
  };
  Series h = series("h", MetricType::kHistogram);
  h.histogram = late ? HistogramConfig{2, 4} : HistogramConfig{1, 3};
  Series load = series("load", MetricType::kGauge);
  load.floating = late;
  SchemaBuilder builder;
  builder.add(h);
  builder.add(load);
  builder.add(series("queue", late ? MetricType::kGauge : MetricType::kCounter));
  Snapshot snapshot;
  snapshot.schema = builder.publish();
  resize_to_schema(snapshot);
  snapshot.realtime_ns = 1'700'000'000'000'000'000 + k * 1'000'000'000;
  snapshot.present.assign(3, 1);
  auto value = std::make_shared<HistogramValue>();
  value->buckets.resize(h.histogram.bucket_count());
  value->buckets[1] = k + 1;
  value->sum = late ? 100 + k : 0;
  value->sum_known = late;
  snapshot.histograms[0] = std::move(value);
  snapshot.scalars[1] = late ? std::bit_cast<std::uint64_t>(0.5 + static_cast<double>(k)) : 10 + k;
  snapshot.scalars[2] = 20 + k;
  return snapshot;
}

inline std::vector<SnapshotRef> read_all(SnapshotStream& stream) {
  std::vector<SnapshotRef> list;
  while (true) {
    auto snapshot = stream.next();
    EXPECT_TRUE(snapshot) << snapshot.error().message;
    if (!snapshot || !*snapshot) return list;
    list.push_back(*snapshot);
  }
}

inline void expect_equal_ticks(const std::vector<SnapshotRef>& wanted,
                               const std::vector<SnapshotRef>& got) {
  ASSERT_EQ(wanted.size(), got.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_EQ(wanted[i]->realtime_ns, got[i]->realtime_ns) << i;
    EXPECT_EQ(values_of(*wanted[i]), values_of(*got[i])) << i;
  }
}

}  // namespace rezolus::testing
