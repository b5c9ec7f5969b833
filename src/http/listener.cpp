// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/listener.h"

#include <cerrno>

#include <boost/asio/ip/v6_only.hpp>
#include <sys/stat.h>
#include <unistd.h>

namespace rezolus::http {

namespace asio = boost::asio;
namespace errc = boost::system::errc;
using asio::ip::tcp;
using unix_stream = asio::local::stream_protocol;
using ErrorCode = boost::system::error_code;

Result<tcp::acceptor> listen_tcp(asio::io_context& io, const ListenAddress& address, bool others) {
  ErrorCode ec;
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(address.host, std::to_string(address.port),
                                      tcp::resolver::passive, ec);
  if (ec || found.empty()) {
    return error("listen on {}: the name '{}' is not known ({}); use an address of this host",
                 address.text, address.host, ec.message());
  }
  const tcp::endpoint endpoint = *found.begin();
  tcp::acceptor acceptor(io);
  acceptor.open(endpoint.protocol(), ec);
  if (!ec) acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
  if (!ec && endpoint.protocol() == tcp::v6() && others) {
    acceptor.set_option(asio::ip::v6_only(true), ec);
  }
  if (!ec) acceptor.bind(endpoint, ec);
  if (!ec) acceptor.listen(asio::socket_base::max_listen_connections, ec);
  if (!ec) return acceptor;
  if (ec == errc::address_in_use) {
    return error("{} is in use; another agent? Stop it, or choose another address with listen "
                 "(`ss -ltnp` shows who has it)", address.text);
  }
  if (ec == errc::permission_denied) {
    return error("listen on {}: ports below 1024 need CAP_NET_BIND_SERVICE; choose a higher one",
                 address.text);
  }
  if (ec == errc::address_not_available) {
    return error("listen on {}: this host has no such address (`ip address` lists them)",
                 address.text);
  }
  return error("listen on {}: {}", address.text, ec.message());
}

Result<unix_stream::acceptor> listen_unix(asio::io_context& io, const ListenAddress& address,
                                          int mode) {
  const std::string& path = address.unix_path;
  ErrorCode ec;
  struct stat existing{};
  if (::lstat(path.c_str(), &existing) == 0) {
    if (!S_ISSOCK(existing.st_mode)) {
      return error("listen on {}: {} exists and is no socket; choose another path", address.text,
                   path);
    }
    unix_stream::socket probe(io);
    probe.connect(unix_stream::endpoint(path), ec);
    if (ec != errc::connection_refused) {
      return error("{} is in use; another agent? Stop it, or choose another path", address.text);
    }
    ::unlink(path.c_str());  // what a process that died left behind
  }
  unix_stream::acceptor acceptor(io);
  acceptor.open(unix_stream(), ec);
  if (!ec) acceptor.bind(unix_stream::endpoint(path), ec);
  if (ec) {
    return error("listen on {}: {}; does the folder exist, and may this user write to it?",
                 address.text, ec.message());
  }
  // Nobody can connect before listen(), so the mode is there in time.
  if (::chmod(path.c_str(), static_cast<mode_t>(mode)) != 0) {
    return system_error("chmod " + path, errno);
  }
  acceptor.listen(asio::socket_base::max_listen_connections, ec);
  if (ec) return error("listen on {}: {}", address.text, ec.message());
  return acceptor;
}

std::string endpoint_text(const tcp::acceptor& acceptor) {
  ErrorCode ec;
  const tcp::endpoint endpoint = acceptor.local_endpoint(ec);
  const std::string literal = endpoint.address().to_string();
  return endpoint.address().is_v6() ? fmt::format("[{}]:{}", literal, endpoint.port())
                                    : fmt::format("{}:{}", literal, endpoint.port());
}

}  // namespace rezolus::http
