// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The keys of a client's section that say whom it trusts with https and who it is itself; they are
// called as those of [[push]].

#include <string>
#include <string_view>
#include <vector>

#include "config/toml_keys.h"
#include "http/client.h"

namespace rezolus {

// section: "exporter". access outlives the keys.
std::vector<config::Key> access_keys(std::string_view section, HttpAccess& access);

// Sets what is called by such a key, without its section; a usage error for a value that it cannot
// have. False: there is no such key.
Result<bool> set_access(HttpAccess& access, std::string_view key, const std::string& value);

// What access does not say is as in other: files one by one, credentials as a whole.
void fill_in(HttpAccess& access, const HttpAccess& other);

}  // namespace rezolus
