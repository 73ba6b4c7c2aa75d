package runbook.redact;

import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HexFormat;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * A secret whose value is known, such as the key in use: searched for literally, whatever form it has.
 *
 * @param id    the id it is counted and replaced by
 * @param value the secret
 */
record KnownValue(String id, String value) {
    /** Shorter ones would be found in everything. */
    static final int SHORTEST = 4;
    // Base64 of fewer bytes than this says too little to be searched for at the two odd alignments.
    private static final int SHORTEST_SHIFTED = 9;

    /** The value as a rule whose triggers are its encodings. */
    Rule rule() {
        StringBuilder form = new StringBuilder("(?i:");
        encodings().forEach(encoding -> form.append(form.length() > 4 ? "|" : "").append(Pattern.quote(encoding)));
        return new Rule(
                id, false, List.of(), Rule.Lead.NONE, form.append(')').toString(), Rule.Same.AS_WRITTEN, value, "");
    }

    /** What it may look like, as the bytes are seen one character each. */
    Set<String> encodings() {
        byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
        String url = URLEncoder.encode(value, StandardCharsets.UTF_8);
        String html = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
        String json = value.replace("\\", "\\\\").replace("\"", "\\\"");
        Set<String> all = new LinkedHashSet<>(List.of(
                value,
                url,
                url.replace("+", "%20"),
                url.replace("%", "%25"),
                URLEncoder.encode(url, StandardCharsets.UTF_8),
                url.replace("+", "%2520").replaceAll("%(?!25)", "%25"),
                html,
                html.replace("\"", "&quot;"),
                json,
                json.replace("/", "\\/"),
                json.replace("\\", "\\\\"),
                escaped(value),
                HexFormat.of().formatHex(bytes),
                Base64.getEncoder().withoutPadding().encodeToString(bytes),
                Base64.getUrlEncoder().withoutPadding().encodeToString(bytes)));
        if (bytes.length >= SHORTEST_SHIFTED) {
            for (int before = 0; before < 3; before++) {
                all.add(shifted(bytes, before));
                all.add(shifted(bytes, before).replace('+', '-').replace('/', '_'));
            }
        }
        Set<String> seen = new LinkedHashSet<>();
        all.forEach(text -> seen.add(new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.ISO_8859_1)));
        return seen;
    }

    // In the middle of something larger the value begins at any of base64's three alignments: what of it stays the same.
    private static String shifted(byte[] bytes, int before) {
        byte[] padded = new byte[before + bytes.length];
        System.arraycopy(bytes, 0, padded, before, bytes.length);
        String encoded = Base64.getEncoder().withoutPadding().encodeToString(padded);
        return encoded.substring(before == 0 ? 0 : before + 1, encoded.length() - (padded.length % 3 == 0 ? 0 : 1));
    }

    // What JSON encoders that are careful with HTML make of it.
    private static String escaped(String text) {
        StringBuilder escaped = new StringBuilder();
        text.chars()
                .forEach(c -> escaped.append(
                        Character.isLetterOrDigit(c) && c < 128 || "-_.~ ".indexOf(c) >= 0
                                ? String.valueOf((char) c)
                                : String.format("\\u%04x", c)));
        return escaped.toString();
    }
}
