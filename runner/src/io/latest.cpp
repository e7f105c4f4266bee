#include "io/latest.h"

#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

#include "core/clock.h"
#include "core/failure.h"
#include "io/streams.h"

namespace nnrun {

// What the reading thread hands over.
struct LatestFrames::Slot {
    std::mutex mutex;
    std::condition_variable changed;
    bool is_full = false;
    bool has_ended = false;
    std::vector<unsigned char> bytes;
    std::exception_ptr error;  // in place of the bytes
    double at_s = 0;
    long dropped = 0;
};

// The thread may be waiting for standard input when nobody wants frames any more: it is left to
// the end of the program, with a slot that lives as long as it does.
LatestFrames::LatestFrames(double silence_s) : silence_s_(silence_s), slot_(std::make_shared<Slot>()) {
    std::thread([slot = slot_] { read_on(slot); }).detach();
}

void LatestFrames::read_on(const std::shared_ptr<Slot>& slot) {
    MjpegFrames frames;
    std::vector<unsigned char> bytes;
    for (bool has_frame = true; has_frame;) {
        std::exception_ptr error;
        try {
            has_frame = frames.next_bytes(bytes);
        } catch (const Failure&) {
            error = std::current_exception();
        } catch (const std::bad_alloc&) {
            error = std::current_exception();
        }
        const std::lock_guard<std::mutex> lock(slot->mutex);
        slot->has_ended = !has_frame;
        if (has_frame) {
            if (slot->is_full) ++slot->dropped;
            slot->is_full = true;
            slot->bytes.swap(bytes);
            slot->error = error;
            slot->at_s = uptime_s();
        }
        slot->changed.notify_one();
    }
}

bool LatestFrames::next(Frame& frame) {
    frame.is_file = false;
    std::unique_lock<std::mutex> lock(slot_->mutex);
    const auto limit = std::chrono::milliseconds(static_cast<long long>(silence_s_ * 1000));
    silent_ = !slot_->changed.wait_for(lock, limit, [this] { return slot_->is_full || slot_->has_ended; });
    frame.dropped = slot_->dropped;
    if (!slot_->is_full) return false;
    slot_->is_full = false;
    frame.at_s = slot_->at_s;
    bytes_.swap(slot_->bytes);
    const std::exception_ptr error = std::exchange(slot_->error, nullptr);
    lock.unlock();
    if (error) std::rethrow_exception(error);
    const Stopwatch watch;
    decode_jpeg(bytes_, frame.image);
    frame.decode_ms = watch.ms();
    return true;
}

}  // namespace nnrun
