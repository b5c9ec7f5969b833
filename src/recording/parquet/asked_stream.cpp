// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/asked_stream.h"

#include <algorithm>
#include <utility>

namespace rezolus {
namespace {

class SeriesStream : public DerivedStream {
 public:
  using DerivedStream::DerivedStream;

  Result<SnapshotRef> next() override {
    auto snapshot = stream_->next();
    if (!snapshot || any_series_) return snapshot;
    if (!*snapshot && any_tick_) return error("{}", no_series_text(name()));
    if (!*snapshot) return snapshot;
    any_tick_ = true;
    any_series_ = std::ranges::any_of((*snapshot)->present,
                                      [](std::uint8_t present) { return present != 0; });
    return snapshot;
  }

 private:
  bool any_tick_ = false;
  bool any_series_ = false;  // of the stream, however often it is read
};

}  // namespace

std::unique_ptr<SnapshotStream> require_series(std::unique_ptr<SnapshotStream> stream) {
  return std::make_unique<SeriesStream>(std::move(stream));
}

std::string no_series_text(const std::string& name) {
  return fmt::format("no series fits; see: rezolus recording info {}", name);
}

}  // namespace rezolus
