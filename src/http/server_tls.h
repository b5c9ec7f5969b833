// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// TLS of the server: certificates read and checked, and what a client's certificate has to say.
// Includes Asio: for the server's own files only.

#include <cstdint>
#include <memory>

#include <boost/asio/ssl/context.hpp>

#include "base/result.h"
#include "http/web_config.h"

namespace rezolus::http {

// Reads the files now. Usage errors name the file and what is wrong with it: not readable, no PEM, a
// key of another certificate.
Result<std::shared_ptr<boost::asio::ssl::context>> make_server_tls(const TlsServerConfig& config);

// When its certificate expires, in seconds since 1970; 0 where there is none.
std::uint64_t certificate_expiry_s(boost::asio::ssl::context& tls);

}  // namespace rezolus::http
