// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The exporter's configuration. Upstream's spellings of both eras are accepted.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/client.h"
#include "http/web_options.h"
#include "push/config.h"
#include "wire/prometheus.h"

namespace rezolus {

inline constexpr std::size_t kQuantilesMax = 16;

struct ExporterConfig {
  std::vector<std::string> listen = {"127.0.0.1:4242"};
  std::string source = "127.0.0.1:4241";
  HttpAccess access;  // to the source
  Url source_url;     // the two, understood
  std::uint64_t interval_ns = 1'000'000'000;
  std::vector<std::string> allowed_hosts;
  http::WebOptions web;
  std::string logging_level = "info";
  bool full_detail = false;
  PrometheusNaming naming = PrometheusNaming::kPrometheus;
  std::vector<HistogramRule> histograms = {{"*", HistogramForm::kClassic}};
  std::vector<std::string> quantiles = {"0.5", "0.9", "0.99", "0.999", "0.9999"};
  PushConfig push;
  // Keys that were accepted and do nothing here, one sentence each.
  std::vector<std::string> notes;
};

// Reads a file and exporter.d/*.toml beside it.
Result<ExporterConfig> read_exporter_config(const std::string& path);

// The same for one text; path is for messages.
Result<ExporterConfig> parse_exporter_config(std::string_view text, const std::string& path);

// Whether a file is meant for the exporter: it names what to export, which no other mode does.
bool is_exporter_config(const std::string& path);

}  // namespace rezolus
