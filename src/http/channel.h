// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// One accepted connection, with TLS around it or not: what Beast reads from and writes to. Server
// thread only. Includes Asio: for the server's own files only.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

namespace rezolus::http {

class Channel {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;
  using executor_type = Socket::executor_type;
  using ErrorCode = boost::system::error_code;

  explicit Channel(Socket socket) : socket_(std::move(socket)) {}

  executor_type get_executor() { return socket_.get_executor(); }
  [[nodiscard]] Socket& socket() { return socket_; }
  [[nodiscard]] bool secure() const { return tls_.has_value(); }

  // The server's side of a handshake, of which received has already come. handler(error, bytes of
  // received that were used).
  template <typename Buffers, typename Handler>
  void async_handshake(std::shared_ptr<boost::asio::ssl::context> context, const Buffers& received,
                       Handler&& handler) {
    context_ = std::move(context);
    tls_.emplace(socket_, *context_);
    tls_->async_handshake(boost::asio::ssl::stream_base::server, received,
                          std::forward<Handler>(handler));
  }

  // Whether the client has shown a certificate that was verified.
  [[nodiscard]] bool has_verified_peer() {
    SSL* ssl = tls_ ? tls_->native_handle() : nullptr;
    if (ssl == nullptr || (::SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) == 0) return false;
    return ::SSL_get0_peer_certificate(ssl) != nullptr && ::SSL_get_verify_result(ssl) == X509_V_OK;
  }

  // Says that nothing more comes; handler(error) once that is sent. With TLS it also waits for the
  // other side to say so.
  template <typename Handler>
  void async_finish(Handler&& handler) {
    if (tls_) return tls_->async_shutdown(std::forward<Handler>(handler));
    ErrorCode ec;
    socket_.shutdown(Socket::shutdown_send, ec);
    boost::asio::post(socket_.get_executor(),
                      [ec, handler = std::forward<Handler>(handler)]() mutable { handler(ec); });
  }

  void close() {
    ErrorCode ignored;
    socket_.close(ignored);
  }

  // For Beast and asio::async_write. Handlers are functions: what is returned is nothing.
  template <typename Buffers, typename Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    if (tls_) {
      tls_->async_read_some(buffers, std::forward<Handler>(handler));
    } else {
      socket_.async_read_some(buffers, std::forward<Handler>(handler));
    }
  }
  template <typename Buffers, typename Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    auto counted = [this, handler = std::forward<Handler>(handler)](
                       ErrorCode ec, std::size_t byte_count) mutable {
      written_bytes_ += byte_count;
      handler(ec, byte_count);
    };
    if (tls_) {
      tls_->async_write_some(buffers, std::move(counted));
    } else {
      socket_.async_write_some(buffers, std::move(counted));
    }
  }

  // How much of what was written has reached the other side, about: with TLS, what is under way is a little
  // more than what was written.
  [[nodiscard]] std::uint64_t acknowledged_bytes() {
    int under_way_bytes = 0;
    if (::ioctl(socket_.native_handle(), SIOCOUTQ, &under_way_bytes) != 0) return written_bytes_;
    return written_bytes_ -
           std::min(written_bytes_, static_cast<std::uint64_t>(std::max(under_way_bytes, 0)));
  }

 private:
  Socket socket_;
  std::uint64_t written_bytes_ = 0;
  std::shared_ptr<boost::asio::ssl::context> context_;  // as long as a connection was made with it
  std::optional<boost::asio::ssl::stream<Socket&>> tls_;
};

}  // namespace rezolus::http
