// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <string>

#include "base/result.h"
#include "http/server.h"

namespace rezolus::http {

// An answer with the content of a file, as large as it is now, read while the client takes it. The
// file may be removed meanwhile. file_name is what a browser saves it as. Reading is left to the
// page cache: meant for files that were just written, since it is done by the server's thread.
Result<Response> file_response(const std::string& path, const std::string& file_name,
                               std::string content_type);

}  // namespace rezolus::http
