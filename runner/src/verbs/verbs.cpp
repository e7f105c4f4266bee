#include "verbs/verbs.h"

namespace nnrun {

const std::vector<VerbEntry>& verb_table() {
    static const char* const frames = "[IMAGE|FOLDER...]";
    // clang-format off
    static const std::vector<VerbEntry> table{
        {"bench", "", bench_flags, bench, "Times a net on made-up input: every sample, one JSON line each."},
        {"bench decode", "", bench_decode_flags, bench_decode, "Times each token of a language model's answer to made-up ones: every sample, one JSON line each."},
        {"bench layers", "", bench_layers_flags, bench_layers, "Times each layer of a net on made-up input: one JSON line each."},
        {"bench prefill", "", bench_prefill_flags, bench_prefill, "Times how long a language model reads a made-up prompt: every sample, one JSON line each."},
        {"chat", "", chat_flags, chat, "Answers one turn after the other with a language model, which stays loaded: one JSON line a token."},
        {"classify", frames, classify_flags, classify, "Classifies pictures: one JSON line each. EXIF orientation is applied."},
        {"clip", frames, clip_flags, clip, "Encodes pictures and texts into one space, and says which labels suit a picture: one JSON line each."},
        {"compute", "TENSOR...", compute_flags, compute, "Computes a net's outputs for given tensors, .npy files of floats: its inputs one after the other."},
        {"detect", frames, detect_flags, detect, "Finds objects: one JSON line a picture or frame. EXIF orientation is applied."},
        {"generate", "", generate_flags, generate, "Continues a text with a language model: one JSON line a token."},
        {"obb", frames, detect_flags, obb, "Finds objects in rotated boxes: one JSON line a picture or frame."},
        {"other", frames, other_flags, other, "Computes a net's outputs, whatever they mean: one JSON line a picture or frame, and their values."},
        {"pose", frames, pose_flags, pose, "Finds people and their keypoints: one JSON line a picture or frame."},
        {"score", "", score_flags, score, "Says how likely a language model thinks each token of a text: log-probabilities, perplexity, logits."},
        {"segment", frames, detect_flags, segment, "Finds objects and which pixels are theirs: one JSON line a picture or frame."},
        {"semantic", frames, semantic_flags, semantic, "Finds of which class each pixel is: one JSON line a picture or frame."},
        {"tokenize", "", tokenize_flags, tokenize, "Turns texts into token ids, or ids into texts: one JSON line each."},
        {"track mot", frames, track_mot_flags, track_mot, "Follows many objects: detect, with an id for each object from frame to frame (ByteTrack)."},
        {"track sot", frames, track_sot_flags, track_sot, "Follows one object, given by its box in the first frame that can be read (NanoTrack)."},
        {"watch", "", watch_flags, watch, "Reports the board's state while a process lives: temperature, clock, throttling, load, memory."},
    };
    // clang-format on
    return table;
}

}  // namespace nnrun
