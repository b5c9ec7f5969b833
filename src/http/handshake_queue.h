// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// When TLS handshakes begin. One costs the server a signature, and its client next to nothing; so only so
// many begin in a second. The others wait, and those of the peers that had least go first. When too many
// wait, who has most of them is refused. One thread.

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>

namespace rezolus::http {

class HandshakeQueue {
 public:
  using Call = std::function<void()>;

  // per_second_max: after a pause, as many begin at once.
  HandshakeQueue(std::uint32_t per_second_max, std::size_t waiting_max)
      : per_second_max_(per_second_max), waiting_max_(waiting_max), turns_(per_second_max) {}

  // Calls begin when it is its turn, which may be now, or refuse; unless the owner is removed before.
  // peer: see http/peer_group.h. now_ns: CLOCK_MONOTONIC. What run() says.
  std::optional<std::uint64_t> add(const void* owner, const std::string& peer, Call begin,
                                   Call refuse, std::uint64_t now_ns);
  // Whether it was waiting.
  bool remove(const void* owner);
  // Those whose turn it is begin. How long until the next one's turn; nothing: none waits.
  std::optional<std::uint64_t> run(std::uint64_t now_ns);

 private:
  struct Waiting {
    const void* owner = nullptr;
    std::string peer;
    Call begin;
    Call refuse;
  };
  using Place = std::list<Waiting>::iterator;

  void fill(std::uint64_t now_ns);
  [[nodiscard]] std::uint32_t begun_by(const std::string& peer) const;
  [[nodiscard]] Place next();
  void refuse_one();

  const std::uint32_t per_second_max_;
  const std::size_t waiting_max_;
  std::list<Waiting> waiting_;  // oldest first
  double turns_;                // handshakes that may begin now
  std::uint64_t filled_ns_ = 0;
  std::map<std::string, std::uint32_t> begun_;  // by peer, since second_ns_
  std::uint64_t second_ns_ = 0;
};

}  // namespace rezolus::http
