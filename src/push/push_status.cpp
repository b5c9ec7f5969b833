// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "push/push_status.h"

#include "base/time_text.h"

namespace rezolus {

nlohmann::ordered_json push_status_json(std::span<const PushState> states) {
  auto list = nlohmann::ordered_json::array();
  for (const PushState& target : states) {
    list.push_back({{"target", target.target},
                    {"problem", target.problem},
                    {"sent_samples", target.sent_samples},
                    {"retried_samples", target.retried_samples},
                    {"refused_samples", target.refused_samples},
                    {"lost_ticks", target.lost_ticks},
                    {"oldest", target.oldest_ns == 0 ? "" : format_utc(target.oldest_ns)}});
  }
  return list;
}

}  // namespace rezolus
