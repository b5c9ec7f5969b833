// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/logging.h"

#include <cstdlib>

#include <spdlog/sinks/stdout_color_sinks.h>

namespace rezolus {

Result<void> set_up_logging(std::string_view level) {
  spdlog::level::level_enum parsed = spdlog::level::info;
  if (level == "error") {
    parsed = spdlog::level::err;
  } else if (level == "warn") {
    parsed = spdlog::level::warn;
  } else if (level == "info") {
    parsed = spdlog::level::info;
  } else if (level == "debug") {
    parsed = spdlog::level::debug;
  } else if (level == "trace") {
    parsed = spdlog::level::trace;
  } else {
    return usage_error("'{}' is not a logging level; use error, warn, info, debug or trace", level);
  }
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  auto logger = std::make_shared<spdlog::logger>("rezolus", std::move(sink));
  // Under systemd the journal stamps every line itself.
  const bool journal = std::getenv("JOURNAL_STREAM") != nullptr;
  logger->set_pattern(journal ? "%l: %v" : "%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
  logger->set_level(parsed);
  logger->flush_on(spdlog::level::warn);
  spdlog::set_default_logger(std::move(logger));
  return {};
}

}  // namespace rezolus
