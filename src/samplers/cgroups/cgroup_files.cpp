// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/cgroups/cgroup_files.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/lines.h"
#include "samplers/cgroups/cgroup_walk.h"

namespace rezolus {
namespace {

class CgroupFileSource final : public Source {
 public:
  CgroupFileSource(const CgroupFileTable& table, CgroupMount mount,
                   std::shared_ptr<const CgroupList> cgroups, Clock clock)
      : table_(table),
        mount_(std::move(mount)),
        cgroups_(std::move(cgroups)),
        clock_(std::move(clock)) {
    for (const CgroupFile& file : table_.files) {
      if (file.version_2 == mount_.version_2) files_.push_back(&file);
    }
    list_ = make_series_list({});
  }

  [[nodiscard]] std::vector<Series> series() const override { return {}; }

  Result<void> read(Reading& reading) override {
    take_cgroups();
    std::optional<Error> failure;
    bool any = false;
    const std::size_t count = std::min(entries_.size(), kCgroupsPerPass);
    for (std::size_t i = 0; i < count; ++i) {
      if (next_ >= entries_.size()) next_ = 0;
      any = read_cgroup(entries_[next_++], failure) || any;
    }
    reading.series = list_;
    reading.values.clear();
    reading.present.clear();
    for (const Entry& entry : entries_) {
      for (const auto& value : entry.values) {
        reading.values.push_back(value.value_or(0));
        reading.present.push_back(value ? 1 : 0);
      }
    }
    // One that has gone is no failure, nor is one without the controller.
    if (any || !failure) return {};
    if (failure->error_number != ENOENT && failure->error_number != ENODEV) {
      return std::unexpected(*failure);
    }
    if (::access(mount_.place.c_str(), F_OK) != 0)
      return system_error("open " + mount_.place, errno);
    return {};
  }

 private:
  struct Entry {
    std::uint64_t id = 0;
    CgroupNamesRef names;
    std::string folder;
    std::vector<std::shared_ptr<const Series>> series;  // by the metric's slot
    std::vector<std::optional<std::uint64_t>> values;
    bool inner = false;  // the name is that of one around it
    std::optional<std::uint64_t> settings_read_ns;
  };

  // Those that have names, by path.
  using Named = std::unordered_map<std::string_view, const CgroupNames*>;

  // Whether one around it has the same names.
  static bool is_inner(const CgroupSlots::Change::Added& cgroup, const Named& named) {
    if (!cgroup.names || cgroup.names->labels.empty()) return false;
    std::string_view path = cgroup.path;
    for (std::size_t end = path.rfind('/'); end != 0 && end != std::string_view::npos;
         end = path.rfind('/')) {
      path = path.substr(0, end);
      const auto outer = named.find(path);
      if (outer != named.end() && outer->second->labels == cgroup.names->labels) return true;
    }
    return false;
  }

  Entry make_entry(const CgroupSlots::Change::Added& cgroup, bool inner) const {
    Entry entry{.id = cgroup.id,
                .names = cgroup.names,
                .folder = mount_.place + cgroup.path + "/",
                .series = {},
                .values = {},
                .inner = inner,
                .settings_read_ns = {}};
    const Labels labels = cgroup_series_labels(cgroup.path, inner ? nullptr : cgroup.names);
    for (const Metric& metric : table_.metrics) {
      entry.series.push_back(
          std::make_shared<const Series>(make_series(metric, table_.sampler, labels)));
    }
    entry.values.resize(table_.metrics.size());
    return entry;
  }

  // Both lists are in the order of the ids.
  void take_cgroups() {
    const PlacedCgroups placed = cgroups_->placed();
    if (placed == placed_) return;
    placed_ = placed;
    std::vector<Entry> before = std::exchange(entries_, {});
    auto known = before.begin();
    std::vector<std::shared_ptr<const Series>> all;
    Named named;
    for (const auto& cgroup : *placed) {
      if (cgroup.names) named.emplace(cgroup.path, cgroup.names.get());
    }
    for (const auto& cgroup : *placed) {
      const bool inner = is_inner(cgroup, named);
      while (known != before.end() && known->id < cgroup.id) ++known;
      const bool same = known != before.end() && known->id == cgroup.id &&
                        known->names == cgroup.names && known->inner == inner &&
                        known->folder == mount_.place + cgroup.path + "/";
      entries_.push_back(same ? std::move(*known) : make_entry(cgroup, inner));
      all.insert(all.end(), entries_.back().series.begin(), entries_.back().series.end());
    }
    list_ = std::make_shared<const std::vector<std::shared_ptr<const Series>>>(std::move(all));
  }

  // Whether any file could be read.
  bool read_cgroup(Entry& entry, std::optional<Error>& failure) {
    bool any = false;
    const std::uint64_t now_ns = clock_.monotonic_ns();
    const bool settings =
        !entry.settings_read_ns || now_ns - *entry.settings_read_ns >= kSettingAgeNs;
    if (settings) entry.settings_read_ns = now_ns;
    // What a file does not say this time is absent.
    std::vector<std::optional<std::uint64_t>> values(entry.values.size());
    if (!settings) values = entry.values;
    for (const CgroupFile* file : files_) {
      if (file->setting && !settings) continue;
      path_ = entry.folder;
      path_ += file->name;
      const auto text = read_text();
      if (!text && !failure) failure = text.error();
      file->parse(text.value_or(""), values);
      any = any || text.has_value();
    }
    entry.values = std::move(values);
    return any;
  }

  // Of path_, valid until the next one. The files are short: what is behind the buffer is left out.
  Result<std::string_view> read_text() {
    const Fd fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) return system_error("open " + path_, errno);
    const ssize_t got = ::read(fd.get(), buffer_.data(), buffer_.size());
    if (got < 0) return system_error("read " + path_, errno);
    return std::string_view(buffer_.data(), static_cast<std::size_t>(got));
  }

  const CgroupFileTable& table_;
  const CgroupMount mount_;
  const std::shared_ptr<const CgroupList> cgroups_;
  const Clock clock_;
  std::vector<const CgroupFile*> files_;
  PlacedCgroups placed_;
  std::vector<Entry> entries_;  // by id
  std::size_t next_ = 0;        // whose turn it is
  SeriesList list_;
  std::string path_;
  std::array<char, 4096> buffer_ = {};
};

// A controller that version 2 has names itself in the root.
bool has_controller(const CgroupMount& mount, std::string_view controller) {
  if (!mount.version_2 || controller.empty()) return true;
  const auto text = read_file(mount.place + "/cgroup.controllers");
  if (!text) return false;
  for (std::string_view rest = *text; !rest.empty();) {
    const std::size_t end = rest.find_first_of(" \n");
    if (rest.substr(0, end) == controller) return true;
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  return false;
}

}  // namespace

Result<std::unique_ptr<Source>> cgroup_file_source(const CgroupFileTable& table, const Host& host,
                                                   std::shared_ptr<const CgroupList> cgroups) {
  const auto mounts = cgroup_mounts(host);
  if (!mounts) return std::unexpected(mounts.error());
  auto mount = mount_of_controller(*mounts, table.controller);
  if (!mount && table.controller.empty()) {
    return error("no cgroup2 is mounted; mount it to have its files read");
  }
  if (!mount) {
    return error(
        "neither the {} controller of version 1 nor cgroup2 is mounted; mount one to have "
        "its files read",
        table.controller);
  }
  if (!has_controller(*mount, table.controller)) {
    return error(
        "no mounted hierarchy has the {0} controller: mount it, or boot without "
        "cgroup_disable={0}",
        table.controller);
  }
  return std::make_unique<CgroupFileSource>(table, std::move(*mount), std::move(cgroups),
                                            host.clock);
}

std::optional<std::uint64_t> cgroup_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc()) return std::nullopt;
  const std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (rest.find_first_not_of(" \n") != std::string_view::npos) return std::nullopt;
  return number;
}

std::optional<std::uint64_t> cgroup_keyed_number(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ') {
      return cgroup_number(line.substr(key.size() + 1));
    }
  }
  return std::nullopt;
}

}  // namespace rezolus
