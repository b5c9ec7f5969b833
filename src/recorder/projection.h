// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Which series of a source are recorded, and under which labels: the filters and labels of `record`.
// The choice is made once per series, when it appears; a tick then copies the values that stay.

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/snapshot.h"
#include "recorder/source.h"

namespace rezolus {

struct SeriesChoice {
  std::vector<std::string> samplers;  // empty: all
  std::vector<std::string> metrics;   // patterns of glob(7) on the metric's name; empty: all
  Labels labels;                      // added to every series that has no such label of its own
  // Added to every series; one of its own with that name becomes exported_<name>, as in Prometheus.
  Labels origin;

  [[nodiscard]] bool everything() const {
    return samplers.empty() && metrics.empty() && labels.empty() && origin.empty();
  }
  // Whether a series with this name is recorded. A peer that does not say which sampler owns it is
  // answered for by this program's tables.
  [[nodiscard]] bool takes(const Series& series) const;
};

// Whether a label of this name can be given to series: [a-zA-Z_][a-zA-Z0-9_]*, and no name that
// files use for something else. The error says what is wrong.
Result<void> check_label_name(std::string_view name);

// Follows one source's schemas into a builder, which several projections may share.
class Projection {
 public:
  // group_suffix: is added to the names of groups, so that those of several sources stay apart.
  explicit Projection(SeriesChoice choice, std::string group_suffix = {});

  // Takes over what the schema adds and retires. Cheap when it is the one of the last call.
  void follow(const std::shared_ptr<const Schema>& schema, SchemaBuilder& builder);

  // Copies the values of the last followed schema. Requires: to is sized to what builder published.
  void copy(const Snapshot& from, Snapshot& to) const;

  // After SchemaBuilder::compact() gave out new indexes.
  void renumber(const std::vector<std::uint32_t>& new_index_by_old);

  [[nodiscard]] std::size_t series_count() const;

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;
  struct Pair {
    std::uint32_t from;
    std::uint32_t to;
  };

  [[nodiscard]] Series relabelled(const Series& series) const;

  const SeriesChoice choice_;
  const std::string group_suffix_;
  std::shared_ptr<const Schema> schema_;
  std::vector<std::uint32_t> index_;   // by index in the source; kNone: not taken
  std::vector<std::uint32_t> groups_;  // by group of the source
  std::vector<Pair> taken_;
};

// A source of which only a choice is seen.
class SelectedSource : public SnapshotSource {
 public:
  SelectedSource(std::unique_ptr<SnapshotSource> source, SeriesChoice choice);

  Result<SnapshotRef> sample() override;
  Result<bool> begin_ticks(std::uint64_t interval_ns) override {
    return source_->begin_ticks(interval_ns);
  }
  Result<std::optional<SourceEvent>> next(std::uint64_t deadline_ns) override;
  std::string take_notice() override { return source_->take_notice(); }
  [[nodiscard]] std::string description() const override { return source_->description(); }
  SourceMetadata facts() override { return source_->facts(); }
  SourceMetadata closing_facts() override { return source_->closing_facts(); }
  AbsentReasons absent_reasons() override { return source_->absent_reasons(); }
  [[nodiscard]] std::string complaint() const override { return source_->complaint(); }

 private:
  SnapshotRef select(const Snapshot& snapshot);

  std::unique_ptr<SnapshotSource> source_;
  SchemaBuilder builder_;
  Projection projection_;
};

}  // namespace rezolus
