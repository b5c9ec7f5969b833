// SPDX-License-Identifier: Apache-2.0 OR MIT
// A build without the .proto files of remote write: no configuration that pushes is accepted.

#include "wire/remote_write.h"

namespace rezolus {

bool has_remote_write() { return false; }

Result<std::string> encode_remote_write_1(const RemoteWriteRequest& /*request*/) {
  return error("this build has no remote write: the set-up could not fetch its .proto files");
}

Result<std::string> encode_remote_write_2(const RemoteWriteRequest& request) {
  return encode_remote_write_1(request);
}

}  // namespace rezolus
