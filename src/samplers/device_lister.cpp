// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/device_lister.h"

#include <utility>

namespace rezolus {
namespace {

class DeviceLister final : public Source {
 public:
  DeviceLister(const Family& family, const Host& host, std::shared_ptr<DeviceList> list)
      : family_(family), host_(host), list_(std::move(list)) {}

  [[nodiscard]] std::vector<Series> series() const override { return {}; }

  Result<void> read(Reading&) override {
    auto devices = family_.list_devices(host_);
    if (!devices) return std::unexpected(devices.error());
    list_->put(std::move(*devices));
    return {};
  }

 private:
  const Family& family_;
  const Host host_;
  const std::shared_ptr<DeviceList> list_;
};

}  // namespace

void DeviceList::put(std::vector<Device> devices) {
  const std::lock_guard lock(mutex_);
  latest_ = std::move(devices);
}

std::optional<std::vector<Device>> DeviceList::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(latest_, std::nullopt);
}

SlowSources::Entry device_lister(const Family& family, const Host& host,
                                 std::shared_ptr<DeviceList> list) {
  FileSampler sampler{};
  sampler.name = family.name;
  sampler.period_ns_min = family.list_period_ns;
  return {sampler, std::make_unique<DeviceLister>(family, host, std::move(list))};
}

}  // namespace rezolus
