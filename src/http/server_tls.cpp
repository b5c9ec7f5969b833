// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/server_tls.h"

#include <algorithm>
#include <ctime>
#include <set>
#include <string>
#include <utility>

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "base/fd.h"

namespace rezolus::http {
namespace {

constexpr std::size_t kPemBytesMax = 1u << 20;

template <auto kFree>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Bio = std::unique_ptr<BIO, Free<::BIO_free>>;
using Certificate = std::unique_ptr<X509, Free<::X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<::EVP_PKEY_free>>;

// The first thing that OpenSSL complained of, and nothing left for whoever asks next.
std::string openssl_reason() {
  const char* reason = ::ERR_reason_error_string(::ERR_peek_error());
  ::ERR_clear_error();
  return reason != nullptr ? reason : "no reason given";
}

std::string name_of(const PemSource& source, const char* key) {
  return source.file.empty() ? std::string(key) : fmt::format("{}_file {}", key, source.file);
}

Result<std::string> read_pem(const PemSource& source, const char* key) {
  if (source.file.empty()) return source.text;
  auto text = read_file(source.file, kPemBytesMax);
  if (text) return text;
  if (text.error().error_number == EACCES) {
    return usage_error("{}_file: {}; user {} has to be able to read it, without capabilities", key,
                       text.error().message, ::geteuid());
  }
  return usage_error("{}_file: {}", key, text.error().message);
}

Bio bio_of(const std::string& text) {
  return Bio(::BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Instead of a question on the terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

// At the end of a file there is one error more, that nothing follows.
bool is_end() {
  const auto last = ::ERR_peek_last_error();
  const bool end = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
  if (end) ::ERR_clear_error();
  return end;
}

Result<std::vector<Certificate>> parse_certificates(const std::string& text,
                                                    const std::string& name) {
  const Bio bio = bio_of(text);
  std::vector<Certificate> list;
  while (Certificate next{::PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr)}) {
    list.push_back(std::move(next));
  }
  if (!is_end()) return usage_error("{}: a certificate is damaged ({})", name, openssl_reason());
  if (list.empty()) return usage_error("{}: there is no certificate in it (PEM)", name);
  return list;
}

Result<void> use_certificate(SSL_CTX* context, const TlsServerConfig& config) {
  const std::string name = name_of(config.certificate, "cert");
  auto text = read_pem(config.certificate, "cert");
  if (!text) return std::unexpected(std::move(text.error()));
  auto chain = parse_certificates(*text, name);
  if (!chain) return std::unexpected(std::move(chain.error()));
  if (::SSL_CTX_use_certificate(context, chain->front().get()) != 1) {
    return usage_error("{}: {}", name, openssl_reason());
  }
  for (std::size_t i = 1; i < chain->size(); ++i) {
    if (::SSL_CTX_add1_chain_cert(context, (*chain)[i].get()) != 1) {
      return usage_error("{}: {}", name, openssl_reason());
    }
  }
  return {};
}

Result<void> use_key(SSL_CTX* context, const TlsServerConfig& config) {
  const std::string name = name_of(config.key, "key");
  auto text = read_pem(config.key, "key");
  if (!text) return std::unexpected(std::move(text.error()));
  const Bio bio = bio_of(*text);
  const Key key(::PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  ::OPENSSL_cleanse(text->data(), text->size());
  if (!key) {
    const std::string reason = openssl_reason();
    return usage_error("{}: no private key without a passphrase in it (PEM; {})", name, reason);
  }
  // The first compares only with a certificate of the key's own type.
  if (::SSL_CTX_use_PrivateKey(context, key.get()) != 1 ||
      ::SSL_CTX_check_private_key(context) != 1) {
    ::ERR_clear_error();
    return usage_error("{} is not the key of {}", name, name_of(config.certificate, "cert"));
  }
  return {};
}

Result<void> use_authorities(SSL_CTX* context, const TlsServerConfig& config) {
  if (config.client_ca.empty()) {
    ::SSL_CTX_set_default_verify_paths(context);
    return {};
  }
  auto text = read_pem(config.client_ca, "client_ca");
  if (!text) return std::unexpected(std::move(text.error()));
  auto list = parse_certificates(*text, name_of(config.client_ca, "client_ca"));
  if (!list) return std::unexpected(std::move(list.error()));
  for (const Certificate& authority : *list) {
    ::X509_STORE_add_cert(::SSL_CTX_get_cert_store(context), authority.get());
    // Tells clients which of their certificates is meant.
    ::SSL_CTX_add_client_CA(context, authority.get());
  }
  ::ERR_clear_error();  // one that stands there twice is none
  return {};
}

// An address in its shortest form; what is none, as it is.
std::string normal_name(const std::string& name) {
  unsigned char bytes[16];
  char text[INET6_ADDRSTRLEN];
  for (const int family : {AF_INET, AF_INET6}) {
    if (::inet_pton(family, name.c_str(), bytes) == 1) {
      return ::inet_ntop(family, bytes, text, sizeof text);
    }
  }
  return name;
}

std::string text_of(const GENERAL_NAME& name) {
  if (name.type == GEN_DNS || name.type == GEN_EMAIL || name.type == GEN_URI) {
    const ASN1_IA5STRING* text = name.d.ia5;
    return {reinterpret_cast<const char*>(::ASN1_STRING_get0_data(text)),
            static_cast<std::size_t>(::ASN1_STRING_length(text))};
  }
  if (name.type != GEN_IPADD) return {};
  const int length = ::ASN1_STRING_length(name.d.iPAddress);
  char text[INET6_ADDRSTRLEN] = "";
  if (length == 4 || length == 16) {
    ::inet_ntop(length == 4 ? AF_INET : AF_INET6, ::ASN1_STRING_get0_data(name.d.iPAddress), text,
                sizeof text);
  }
  return text;
}

// What the context's verification asks for; the context owns it.
struct ClientRule {
  bool verify = false;
  std::set<std::string> allowed_names;  // empty: any
};

bool has_allowed_name(const X509* certificate, const ClientRule& rule) {
  const std::unique_ptr<GENERAL_NAMES, Free<::GENERAL_NAMES_free>> names(
      static_cast<GENERAL_NAMES*>(
          ::X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const std::string name = text_of(*sk_GENERAL_NAME_value(names.get(), i));
    if (!name.empty() && rule.allowed_names.contains(name)) return true;
  }
  return false;
}

// Once for each handshake in which a client has sent a certificate.
int verify_client(X509_STORE_CTX* store, void* argument) {
  const auto& rule = *static_cast<const ClientRule*>(argument);
  if (rule.verify && ::X509_verify_cert(store) != 1) return 0;
  const bool right =
      rule.allowed_names.empty() || has_allowed_name(::X509_STORE_CTX_get0_cert(store), rule);
  // Also for who is let in with a certificate that nobody looked at: he is not known by it.
  if (!right || !rule.verify) {
    ::X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
  }
  return right ? 1 : 0;
}

void free_rule(void*, void* rule, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<ClientRule*>(rule);
}

Result<void> ask_clients(SSL_CTX* context, const TlsServerConfig& config) {
  static const int index = ::SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_rule);
  if (config.client_auth == ClientAuth::kNone) return {};
  auto rule = std::make_unique<ClientRule>();
  rule->verify =
      config.client_auth == ClientAuth::kVerify || config.client_auth == ClientAuth::kVerifyIfGiven;
  for (const std::string& name : config.client_allowed_sans) {
    rule->allowed_names.insert(normal_name(name));
  }
  if (rule->verify) {
    if (auto used = use_authorities(context, config); !used) return used;
  }
  const bool required =
      config.client_auth == ClientAuth::kVerify || config.client_auth == ClientAuth::kRequireAny;
  ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       nullptr);
  ::SSL_CTX_set_cert_verify_callback(context, verify_client, rule.get());
  ::SSL_CTX_set_ex_data(context, index, rule.release());
  return {};
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ":") + part;
  return text;
}

Result<void> choose_algorithms(SSL_CTX* context, const TlsServerConfig& config) {
  const auto number = [](TlsVersion version) {
    return version == TlsVersion::k12 ? TLS1_2_VERSION : TLS1_3_VERSION;
  };
  ::SSL_CTX_set_min_proto_version(context, number(config.version_min));
  ::SSL_CTX_set_max_proto_version(context, number(config.version_max));
  std::uint64_t options = SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET;
  if (config.prefer_server_cipher_suites) options |= SSL_OP_CIPHER_SERVER_PREFERENCE;
  ::SSL_CTX_set_options(context, options);
  // A connection that is resumed would skip what a client's certificate has to say now.
  ::SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  ::SSL_CTX_set_num_tickets(context, 0);
  const std::string suites = joined(config.cipher_suites);
  if (!suites.empty() && ::SSL_CTX_set_cipher_list(context, suites.c_str()) != 1) {
    return usage_error("cipher_suites: {}", openssl_reason());
  }
  const std::string curves = joined(config.curves);
  if (!curves.empty() && ::SSL_CTX_set1_groups_list(context, curves.c_str()) != 1) {
    return usage_error("curve_preferences: {}", openssl_reason());
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<boost::asio::ssl::context>> make_server_tls(const TlsServerConfig& config) {
  auto tls = std::make_shared<boost::asio::ssl::context>(boost::asio::ssl::context::tls_server);
  SSL_CTX* context = tls->native_handle();
  ::ERR_clear_error();
  for (const auto step : {choose_algorithms, use_certificate, use_key, ask_clients}) {
    if (auto done = step(context, config); !done) return std::unexpected(std::move(done.error()));
  }
  return tls;
}

std::uint64_t certificate_expiry_s(boost::asio::ssl::context& tls) {
  const X509* certificate = ::SSL_CTX_get0_certificate(tls.native_handle());
  std::tm time{};
  if (certificate == nullptr ||
      ::ASN1_TIME_to_tm(::X509_get0_notAfter(certificate), &time) != 1) {
    return 0;
  }
  return static_cast<std::uint64_t>(std::max<std::time_t>(::timegm(&time), 0));
}

}  // namespace rezolus::http
