// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Opens what the server listens on, and turns each refusal into a sentence that says what to do.
// Includes Asio: for server.cpp only.

#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "base/result.h"
#include "http/listen_address.h"

namespace rezolus::http {

// Resolves the host and listens on its first address. others: there are more listeners, and so an
// IPv6 wildcard must leave IPv4 alone; by itself it serves both.
Result<boost::asio::ip::tcp::acceptor> listen_tcp(boost::asio::io_context& io,
                                                  const ListenAddress& address, bool others);

// Listens on a Unix socket of the given mode. A socket file that nobody answers on is replaced.
Result<boost::asio::local::stream_protocol::acceptor> listen_unix(boost::asio::io_context& io,
                                                                  const ListenAddress& address,
                                                                  int mode);

// "127.0.0.1:4241", "[::1]:4241": with the port that the kernel chose.
std::string endpoint_text(const boost::asio::ip::tcp::acceptor& acceptor);

}  // namespace rezolus::http
