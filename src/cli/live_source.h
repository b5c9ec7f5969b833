// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// How `record` and `top` choose where their snapshots come from: the agent that was named, else the
// one on the default address when it answers, else the samplers in this process.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "recorder/source.h"

namespace rezolus::cli {

inline constexpr std::string_view kPriorityWithoutSamplers =
    "--priority has no effect: it is for samplers in this command, and another process takes the "
    "samples; for our agent, set [scheduler] in its configuration";

// How long one answer may take.
std::uint64_t answer_timeout_ms(std::uint64_t interval_ns);

// access: to the agent, wherever it is. Prints to standard error what runs with limitations. Errors say what to do. collector: for the
// samplers in this process, and so is scheduler.
Result<std::unique_ptr<SnapshotSource>> open_source(const std::optional<std::string>& url,
                                                    const HttpAccess& access,
                                                    std::uint64_t interval_ns,
                                                    const CollectorConfig& collector = {},
                                                    const SchedulerConfig& scheduler = {});

}  // namespace rezolus::cli
