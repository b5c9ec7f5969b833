// SPDX-License-Identifier: Apache-2.0 OR MIT
// A build without the definitions of OTLP: no configuration that pushes by it is accepted.

#include "wire/otlp.h"

namespace rezolus {

bool has_otlp() { return false; }

Result<std::string> encode_otlp(const RemoteWriteRequest& /*request*/,
                                const OtlpOptions& /*options*/) {
  return error("this build has no OTLP: the set-up could not fetch its definitions");
}

Result<OtlpAnswer> read_otlp_answer(std::string_view /*body*/) {
  return error("this build has no OTLP: the set-up could not fetch its definitions");
}

}  // namespace rezolus
