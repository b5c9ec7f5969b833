// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The status of samplers as the JSON that /samplers and /status serve and recordings carry.

#include <span>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "samplers/status.h"

namespace rezolus {

// A list, in upstream's layout: name, state, error, health, programs with name, attached, error,
// intent, expected and verdict; and in addition family, target, attached_as and read_failures.
nlohmann::ordered_json samplers_json(std::span<const SamplerStatus> samplers);

// The programs of one sampler, as they stand there.
nlohmann::ordered_json programs_json(std::span<const ProgramStatus> programs);

// What every metric means: an object, name -> help.
nlohmann::ordered_json descriptions_json();

}  // namespace rezolus
