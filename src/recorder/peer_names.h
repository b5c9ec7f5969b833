// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Names on a page for the series of agents that send none: those of the original, and ours by
// MessagePack.

#include <memory>

#include "metrics/snapshot.h"

namespace rezolus {

// The snapshot with a schema in which every series has a Prometheus name and a help text: those of
// the metric tables of this program where they know the metric and agree about its type; else
// `rezolus_` and its own name, in base units and with `_total` where it counts. Help says where
// sums are estimated. Keeps what it made for a schema until another comes. One thread.
class PeerNames {
 public:
  SnapshotRef name(const SnapshotRef& snapshot);

 private:
  std::shared_ptr<const Schema> from_;
  std::shared_ptr<const Schema> named_;  // the same as from_ where nothing was to be done
};

}  // namespace rezolus
