// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/block/devices.h"

#include <charconv>
#include <filesystem>
#include <optional>

#include "base/fd.h"

namespace rezolus {
namespace {

namespace fs = std::filesystem;

// "254:16\n" as a key.
std::optional<std::uint32_t> device_key(std::string_view text) {
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  const char* end = text.data() + text.size();
  const auto [colon, major_error] = std::from_chars(text.data(), end, major);
  if (major_error != std::errc{} || colon == end || *colon != ':') return std::nullopt;
  if (std::from_chars(colon + 1, end, minor).ec != std::errc{}) return std::nullopt;
  if (major >= 1u << (32 - BLOCK_MINOR_BITS) || minor >= 1u << BLOCK_MINOR_BITS) {
    return std::nullopt;
  }
  return major << BLOCK_MINOR_BITS | minor;
}

bool is_stacked(const fs::path& disk) {
  std::error_code ignored;
  for (const char* folder : {"dm", "md", "loop"}) {
    if (fs::exists(disk / folder, ignored)) return true;
  }
  const fs::directory_iterator slaves(disk / "slaves", ignored);
  return !ignored && slaves != fs::directory_iterator();
}

// Loop devices and card readers are there before anything is in them.
bool has_no_size(const fs::path& disk) {
  const auto size = read_file((disk / "size").string(), 4096);
  return size && (*size == "0\n" || *size == "0");
}

// Device mapper, md, zram and RAM disks pass on what they are asked for without making requests.
bool has_requests(const fs::path& disk) {
  std::error_code ignored;
  return fs::exists(disk / "mq", ignored);
}

struct Operation {
  std::string_view enumerator;
  std::uint8_t number;  // of 5.8
  block_operation operation;
};
constexpr Operation kOperations[] = {
    {"REQ_OP_READ", 0, BLOCK_READ},
    {"REQ_OP_WRITE", 1, BLOCK_WRITE},
    {"REQ_OP_FLUSH", 2, BLOCK_FLUSH},
    {"REQ_OP_DISCARD", 3, BLOCK_DISCARD},
    {"REQ_OP_SECURE_ERASE", 5, BLOCK_SECURE_ERASE},
    {"REQ_OP_WRITE_ZEROES", 9, BLOCK_WRITE_ZEROES},
    {"REQ_OP_ZONE_APPEND", 13, BLOCK_ZONE_APPEND},
    {"REQ_OP_ZONE_OPEN", 10, BLOCK_ZONE_MANAGE},
    {"REQ_OP_ZONE_CLOSE", 11, BLOCK_ZONE_MANAGE},
    {"REQ_OP_ZONE_FINISH", 12, BLOCK_ZONE_MANAGE},
    {"REQ_OP_ZONE_RESET", 6, BLOCK_ZONE_MANAGE},
    {"REQ_OP_ZONE_RESET_ALL", 8, BLOCK_ZONE_MANAGE},
    {"REQ_OP_SCSI_IN", 32, BLOCK_DRIVER},
    {"REQ_OP_SCSI_OUT", 33, BLOCK_DRIVER},
    {"REQ_OP_DRV_IN", 34, BLOCK_DRIVER},
    {"REQ_OP_DRV_OUT", 35, BLOCK_DRIVER},
};

}  // namespace

Result<std::vector<Device>> list_block_devices(const Host& host) {
  auto names = folder_names(host.path("sys/block"));
  if (!names) return std::unexpected(names.error());
  std::vector<Device> devices;
  for (std::string& name : *names) {
    const fs::path disk = fs::path(host.path("sys/block")) / name;
    const auto number = read_file((disk / "dev").string(), 4096);
    const auto key = number ? device_key(*number) : std::nullopt;
    if (!key || has_no_size(disk) || !has_requests(disk)) continue;
    devices.push_back({.key = *key,
                       .stacked = is_stacked(disk),
                       .labels = {{"device", std::move(name)}}});
  }
  return devices;
}

std::array<std::uint8_t, BLOCK_REQ_OP_COUNT> block_operation_table(const KernelFeatures& features) {
  std::array<std::uint8_t, BLOCK_REQ_OP_COUNT> table{};
  table.fill(BLOCK_OTHER);
  // The enumeration was called req_opf before 6.0.
  const auto value = [&](std::string_view name) {
    const auto now = features.enum_value("req_op", name);
    return now ? now : features.enum_value("req_opf", name);
  };
  const bool by_name = value("REQ_OP_READ").has_value();
  for (const auto& [enumerator, number, operation] : kOperations) {
    const auto found = by_name ? value(enumerator) : number;
    if (found && *found >= 0 && *found < BLOCK_REQ_OP_COUNT) {
      table[static_cast<std::size_t>(*found)] = operation;
    }
  }
  return table;
}

}  // namespace rezolus
