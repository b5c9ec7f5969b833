// SPDX-License-Identifier: Apache-2.0 OR MIT
// What we write is what Arrow's own reader sees.
#include "recording/parquet/arrow_schema.h"

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/dictionary.h>
#include <arrow/ipc/reader.h>
#include <arrow/util/base64.h>
#include <gtest/gtest.h>

namespace rezolus {
namespace {

std::shared_ptr<arrow::Schema> read_back(const std::string& value) {
  // Some versions of Arrow return a Result here, some a string.
  const arrow::Result<std::string> bytes = arrow::util::base64_decode(value);
  arrow::io::BufferReader input(arrow::Buffer::FromString(bytes.ValueOrDie()));
  arrow::ipc::DictionaryMemo memo;
  return arrow::ipc::ReadSchema(&input, &memo).ValueOrDie();
}

std::shared_ptr<const arrow::KeyValueMetadata> pairs(std::vector<std::string> keys,
                                                     std::vector<std::string> values) {
  return arrow::key_value_metadata(std::move(keys), std::move(values));
}

arrow::FieldVector every_type() {
  return {
      arrow::field("timestamp", arrow::uint64(), false, pairs({"unit"}, {"nanoseconds"})),
      arrow::field("gauge{a=\"b\"}", arrow::int64(), true,
                   pairs({"metric", "empty"}, {"gauge", ""})),
      arrow::field("ratio", arrow::float64(), true, pairs({"metric"}, {"ratio"})),
      arrow::field("latency:buckets", arrow::list(arrow::field("element", arrow::uint64(), true)),
                   true, pairs({"grouping_power", "unit"}, {"3", "nanoseconds"})),
      arrow::field("bare", arrow::uint64(), true),
      arrow::field("", arrow::list(arrow::field("element", arrow::int64(), false)), false),
  };
}

TEST(ArrowSchema, ArrowReadsEveryTypeAndText) {
  const auto schema = arrow::schema(every_type());
  const auto again = read_back(arrow_schema_value(*schema));
  EXPECT_TRUE(again->Equals(*schema, true)) << again->ToString(true);
}

TEST(ArrowSchema, TextsOfEveryLengthAreAligned) {
  arrow::FieldVector fields;
  for (std::size_t length = 0; length < 20; ++length) {
    fields.push_back(
        arrow::field(std::string(length, 'n'), arrow::uint64(), length % 2 == 0,
                     pairs({std::string(length, 'k')}, {std::string(20 - length, 'v')})));
  }
  const auto schema = arrow::schema(fields);
  EXPECT_TRUE(read_back(arrow_schema_value(*schema))->Equals(*schema, true));
}

TEST(ArrowSchema, NoFieldsIsASchema) {
  EXPECT_EQ(read_back(arrow_schema_value(*arrow::schema(arrow::FieldVector{})))->num_fields(), 0);
}

TEST(ArrowSchema, WhatFieldsShareStandsOnce) {
  arrow::FieldVector one;
  arrow::FieldVector many;
  const auto shared = pairs({"source", "metric"}, {std::string(1000, 's'), "requests"});
  for (int i = 0; i < 100; ++i) {
    auto field = arrow::field("f" + std::to_string(i), arrow::uint64(), true, shared);
    if (i == 0) one.push_back(field);
    many.push_back(std::move(field));
  }
  EXPECT_LT(arrow_schema_value(*arrow::schema(many)).size(),
            arrow_schema_value(*arrow::schema(one)).size() + 100 * 80);
}

}  // namespace
}  // namespace rezolus
