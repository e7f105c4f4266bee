#include "io/preview.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/failure.h"
#include "core/json.h"
#include "core/text.h"
#include "io/jpeg_writer.h"
#include "io/preview_page.h"

namespace nnrun {
namespace {

constexpr int most_clients = 16;
constexpr std::size_t most_request_bytes = 8192;
constexpr time_t request_limit_s = 10;
constexpr double rate_window_s = 3;

class Socket {
public:
    explicit Socket(int number) : number_(number) {}
    ~Socket() {
        if (number_ >= 0) ::close(number_);
    }
    Socket(Socket&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    int number() const { return number_; }

    bool send(const void* bytes, std::size_t count) const {
        const char* const from = static_cast<const char*>(bytes);
        for (std::size_t done = 0; done < count;) {
            const ssize_t sent = ::send(number_, from + done, count - done, MSG_NOSIGNAL);
            if (sent < 0 && errno == EINTR) continue;
            if (sent <= 0) return false;
            done += static_cast<std::size_t>(sent);
        }
        return true;
    }
    bool send(const std::string& text) const { return send(text.data(), text.size()); }

    // For reading and for writing: a client that stands still is left.
    void limit(time_t seconds) const {
        const timeval time{seconds, 0};
        ::setsockopt(number_, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
        ::setsockopt(number_, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
    }

private:
    int number_;
};

[[noreturn]] void fail(int port) {
    throw Failure(Exit::output, "--preview: cannot listen on port " + std::to_string(port) + ": " + std::strerror(errno));
}

Socket listen_on_loopback(int port) {
    Socket listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool is_bound = listener.number() >= 0 && ::bind(listener.number(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    if (!is_bound || ::listen(listener.number(), most_clients) != 0) fail(port);
    return listener;
}

int port_of(const Socket& listener) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    if (::getsockname(listener.number(), reinterpret_cast<sockaddr*>(&address), &size) != 0) fail(0);
    return ntohs(address.sin_port);
}

struct HttpRequest {
    std::string path;
    std::string host;
};

std::string lower(std::string text) {
    for (char& letter : text)
        if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
    return text;
}

std::optional<std::string> read_head(const Socket& client) {
    std::string head;
    char block[1024];
    while (head.find("\r\n\r\n") == std::string::npos) {
        const ssize_t got = ::recv(client.number(), block, sizeof block, 0);
        if (got <= 0 || head.size() > most_request_bytes) return std::nullopt;
        head.append(block, static_cast<std::size_t>(got));
    }
    return head;
}

std::optional<HttpRequest> parse_request(const std::string& head) {
    const std::vector<std::string> lines = lines_of(head);
    const std::vector<std::string> first = words(lines.empty() ? "" : lines.front());
    if (first.size() != 3 || first[0] != "GET") return std::nullopt;
    HttpRequest request{first[1], ""};
    for (const std::string& line : lines) {
        const std::size_t colon = line.find(':');
        if (colon == std::string::npos || lower(line.substr(0, colon)) != "host") continue;
        const std::vector<std::string> host = words(line.substr(colon + 1));
        request.host = host.empty() ? "" : lower(host.front());
    }
    return request;
}

// A page of another site that has its own name resolve to this machine sends that name.
bool names_loopback(const std::string& host) {
    const std::string name = host.substr(0, host.rfind(':'));
    return name == "127.0.0.1" || name == "localhost";
}

std::string response_head(const std::string& status, const std::string& type, const std::string& more = "") {
    return "HTTP/1.1 " + status + "\r\nContent-Type: " + type +
           "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nContent-Security-Policy: default-src 'none'; img-src blob:; "
           "connect-src 'self'; script-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'\r\n"
           "Cross-Origin-Resource-Policy: same-origin\r\nConnection: close\r\n" +
           more + "\r\n";
}

void respond(const Socket& client, const std::string& status, const std::string& type, const std::string& body) {
    const std::string length = "Content-Length: " + std::to_string(body.size()) + "\r\n";
    client.send(response_head(status, type, length) + body);
}

using Jpeg = std::shared_ptr<const std::string>;

struct Freer {
    void operator()(char* bytes) const { std::free(bytes); }
};

Jpeg encode(const Image& image) {
    char* bytes = nullptr;
    std::size_t size = 0;
    std::FILE* const file = ::open_memstream(&bytes, &size);
    if (file == nullptr) throw Failure(Exit::output, std::string("--preview: ") + std::strerror(errno));
    try {
        write_jpeg(file, "--preview", image);
    } catch (const Failure&) {
        std::fclose(file);
        std::free(bytes);
        throw;
    }
    std::fclose(file);
    const std::unique_ptr<char, Freer> owner(bytes);
    return std::make_shared<const std::string>(bytes, size);
}

}  // namespace

// Its threads may be in the middle of a client when the program ends; each holds the server.
class Preview::Server : public std::enable_shared_from_this<Preview::Server> {
public:
    Server(Socket listener, std::string title) : listener_(std::move(listener)), title_(std::move(title)) {}

    void start() {
        std::thread([server = shared_from_this()] { server->accept_clients(); }).detach();
    }

    void stop() {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            has_ended_ = true;
        }
        changed_.notify_all();
        ::shutdown(listener_.number(), SHUT_RDWR);
    }

    bool is_watched() const { return watchers_ > 0; }

    void show(Jpeg picture, const PreviewState& state) {
        const std::lock_guard<std::mutex> lock(mutex_);
        const double now = uptime_s();
        times_.push_back(now);
        while (times_.front() < now - rate_window_s && times_.size() > 2) times_.pop_front();
        state_ = state;
        if (!picture) return;
        picture_ = std::move(picture);
        ++number_;
        changed_.notify_all();
    }

private:
    void accept_clients() {
        while (true) {
            const int number = ::accept4(listener_.number(), nullptr, nullptr, SOCK_CLOEXEC);
            if (number < 0 && (errno == EINTR || errno == ECONNABORTED)) continue;
            if (number < 0) return;
            if (clients_ >= most_clients) {
                ::close(number);
                continue;
            }
            ++clients_;
            std::thread([server = shared_from_this(), number] {
                server->serve(Socket(number));
                --server->clients_;
            }).detach();
        }
    }

    void serve(const Socket& client) {
        client.limit(request_limit_s);
        const std::optional<std::string> head = read_head(client);
        if (!head) return;
        const std::optional<HttpRequest> request = parse_request(*head);
        if (!request) return respond(client, "405 Method Not Allowed", "text/plain", "only GET\n");
        if (!names_loopback(request->host)) return respond(client, "403 Forbidden", "text/plain", "only by the loopback's name\n");
        if (request->path == "/") return respond(client, "200 OK", "text/html; charset=utf-8", preview_page);
        if (request->path == "/preview.js") return respond(client, "200 OK", "text/javascript; charset=utf-8", preview_script);
        if (request->path == "/state") return respond(client, "200 OK", "application/json", state_json());
        if (request->path == "/favicon.ico") return respond(client, "204 No Content", "image/x-icon", "");
        if (request->path != "/stream") return respond(client, "404 Not Found", "text/plain", "not here\n");
        ++watchers_;
        send_stream(client);
        --watchers_;
    }

    std::string state_json() {
        const std::lock_guard<std::mutex> lock(mutex_);
        const double passed = times_.size() > 1 ? times_.back() - times_.front() : 0;
        const double fps = passed > 0 ? static_cast<double>(times_.size() - 1) / passed : 0;
        json::Object object;
        object.text("title", title_).integer("frames", state_.frames).integer("dropped", state_.dropped);
        return object.number("fps", fps).text("seen", state_.seen).str() + "\n";
    }

    // A picture's boundary follows it at once: browsers show a picture when they see what ends it.
    void send_stream(const Socket& client) {
        if (!client.send(response_head("200 OK", "multipart/x-mixed-replace; boundary=frame") + "--frame\r\n")) return;
        long last = 0;
        while (const Jpeg picture = wait_for_next(last)) {
            const std::string head = "Content-Type: image/jpeg\r\nContent-Length: " + std::to_string(picture->size()) + "\r\n\r\n";
            if (!client.send(head) || !client.send(picture->data(), picture->size()) || !client.send("\r\n--frame\r\n")) return;
        }
    }

    // None at the end. Who is slow misses some.
    Jpeg wait_for_next(long& last) {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [&] { return has_ended_ || number_ > last; });
        if (number_ == last) return nullptr;
        last = number_;
        return picture_;
    }

    Socket listener_;
    std::string title_;
    std::atomic<int> clients_{0};
    std::atomic<int> watchers_{0};
    std::mutex mutex_;
    std::condition_variable changed_;
    bool has_ended_ = false;
    long number_ = 0;  // of the picture
    Jpeg picture_;
    PreviewState state_;
    std::deque<double> times_;  // of the last frames
};

Preview::Preview(int port, const std::string& title) {
    Socket listener = listen_on_loopback(port);
    port_ = port_of(listener);
    server_ = std::make_shared<Server>(std::move(listener), title);
    server_->start();
}

Preview::~Preview() { server_->stop(); }

bool Preview::is_watched() const { return server_->is_watched(); }

void Preview::show(const Image* image, const PreviewState& state) { server_->show(image != nullptr ? encode(*image) : nullptr, state); }

}  // namespace nnrun
