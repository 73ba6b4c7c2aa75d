package runbook.rotation;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.*;
import java.time.*;
import java.util.*;
import java.util.function.*;
import runbook.*;
import runbook.Screen.Mark;
import runbook.Text.Json;
import runbook.rotation.Progress.Done;
import runbook.rotation.Progress.Effect;
import runbook.rotation.Progress.Entry;
import runbook.rotation.Progress.Trouble;
import runbook.rotation.Stores.Decode;
import runbook.rotation.Stores.Place;
import runbook.rotation.Stores.Row;

/**
 * One store in the course of one rotation. It is written, forward and back, only while it holds what this rotation last
 * left or saw there.
 */
final class Holding {
    private static final Duration SETTLING = Duration.ofSeconds(3);
    private static final Held UNSEEN = new Held(Optional.empty(), "", "", "");

    final Place store;
    private final Row row;
    /** What is kept of it, by an earlier run too. */
    final Entry kept;
    private final Progress progress;
    private final Probes probes;
    Held now = UNSEEN;

    Holding(Place store, Progress progress, Probes probes) {
        this.store = store;
        this.row = store.row();
        this.kept = progress.kept.stores.computeIfAbsent(store.name(), first -> new Entry());
        this.progress = progress;
        this.probes = probes;
    }

    // ---- what it holds

    /**
     * The key, where a store gives it back; its own name for that, where it has one; the value that the key is part of;
     * and by what it is known: the key's fingerprint, or else that name, empty where nothing tells.
     */
    record Held(Optional<Key> key, String version, String whole, String mark) { }

    private Held held(JsonNode answer) {
        String version = row.version().map(at -> store.at(answer, at).asText().replaceFirst(".*/", "")).orElse("");
        if (!store.readable()) {
            return new Held(Optional.empty(), version, "", version);
        }
        String whole = row.value().map(at -> store.at(answer, at)).filter(JsonNode::isTextual).map(this::decoded)
                .orElseThrow(store::strange);
        Key key = field().isEmpty() ? Key.of(whole) : Key.of(within(whole).value());
        progress.wishes.tool().conceal(key);
        return new Held(Optional.of(key), version, whole, key.fingerprint());
    }

    private Embedded within(String document) {
        return Embedded.field(document, field()).orElseThrow(() -> new Trouble(Effect.DENIED,
                "the secret is no JSON document with a text field " + field(), store.reading()));
    }

    private String field() {
        return row.inside().map(store::words).orElse("");
    }

    private String decoded(JsonNode value) {
        boolean base64 = row.decode().orElse(null) == Decode.BASE64;
        // gcloud prints bytes in the URL-safe alphabet, the API itself in the usual one.
        String usual = value.asText().replace('-', '+').replace('_', '/');
        try {
            return base64 ? new String(Base64.getDecoder().decode(usual), StandardCharsets.UTF_8) : value.asText();
        } catch (IllegalArgumentException e) {
            throw store.strange();
        }
    }

    private Held look() {
        now = held(store.answer(row.read(), ""));
        return now;
    }

    private boolean seen() {
        try {
            look();
            return true;
        } catch (Trouble e) {
            now = UNSEEN;
            return false;
        }
    }

    private boolean holds(String mark) {
        return !mark.isEmpty() && now.mark.equals(mark);
    }

    boolean holdsNew() {
        return holds(probes.newPrint());
    }

    private String wanted(boolean back) {
        return back ? kept.before : probes.newPrint();
    }

    private String words(String mark) {
        return (store.readable() ? "sha256 " : "version ") + Text.safe(mark, 40);
    }

    private String holding() {
        return now.key.filter(held -> held.reveal().isEmpty()).isPresent() ? "nothing" : words(now.mark);
    }

    // What this rotation left may have come back with something around it (a line end, quotes), or as nothing; and of a
    // store that tells nothing nobody knows.
    private void refuseStranger() {
        boolean mangled = now.key.filter(held -> held.reveal().isEmpty()
                || probes.fresh.filter(key -> held.reveal().contains(key.reveal())).isPresent()).isPresent();
        boolean left = kept.touched && (kept.wrote.isEmpty() || holds(kept.wrote) || mangled);
        String last = kept.touched ? "left " + words(kept.wrote) + " there (before: " + words(kept.before) + ")"
                : "saw " + words(kept.before) + " there";
        String record = Text.word(progress.incident.folder().resolve(Progress.FILE).toString());
        Trouble.when(!now.mark.isEmpty() && !holds(kept.before) && !holdsNew() && !left, "holds " + holding()
                + ", and this rotation " + last + ": somebody else has set it meanwhile, and it stays",
                "rm -f " + record + "   # once you know which key is right, then begin anew");
    }

    // ---- its steps

    void tidy() {
        if (!progress.looking) {
            store.tidy();
        }
    }

    /** Preflight: all that would keep it from being written, and what it holds. */
    Done inspect() {
        tidy();
        now = held(store.inspected(row.write().orElseThrow()));
        if (!kept.touched) {
            kept.before = now.mark;
            kept.version = now.version;
        }
        refuseStranger();
        if (!store.readable()) {
            return Done.warn("there; " + store.note() + (kept.touched ? "; the run before has written it" : ""));
        }
        Key held = now.key.orElseThrow();
        String which = holds(kept.before) ? "the old key, " : "the new key (before: " + words(kept.before) + "), ";
        String holds = "holds " + (kept.touched ? which : "") + held.describe();
        return held.known() ? Done.ok(holds) : Done.warn(holds + ", which is no private key");
    }

    String plan() {
        if (holdsNew()) {
            return "holds the new key already: nothing to do";
        }
        String back = store.undo(kept.version).isEmpty() ? "its old value, kept in memory; after a kill, finish, or"
                + " give the old key again (--key-file)" : "its version " + kept.version;
        return "way back: " + back + "\n" + store.note();
    }

    // What it is to be written with, at hand and allowed; empty where it holds that already.
    private Optional<Key> due(boolean back) {
        if (!seen() && !back) {
            look();
        } else if (holds(wanted(back))) {
            return Optional.empty();
        }
        refuseStranger();
        return Optional.of(back ? oldValue() : probes.fresh.orElseThrow());
    }

    /** Nobody else has set it, and its old value is at hand; where it cannot be read, nobody is said to have. */
    Done mayGoBack() {
        due(true);
        String unknown = now == UNSEEN ? "cannot be looked at now"
                : "tells nothing of what it holds: nobody knows who set it last";
        return now.mark.isEmpty() ? Done.warn(unknown) : Done.ok("holds " + holding() + ", and nobody else has set it");
    }

    /** Makes it hold the new key, or the old value again, unless it does already. */
    Done put(boolean back) {
        Optional<Key> due = due(back);
        if (due.isEmpty()) {
            return Done.skipped("holds the " + (back ? "old value" : "new key") + " already");
        }
        boolean touched = kept.touched;
        String wrote = kept.wrote;
        // Until it is written nobody knows what a store has that gives nothing back.
        note(true, store.readable() ? probes.newPrint() : "");
        String complaint = "";
        try {
            write(due.get());
        } catch (Trouble e) {
            if (!seen() || !holds(wanted(back))) {
                boolean nothing = e.effect == Effect.NONE || e.effect == Effect.DENIED && holds(kept.before);
                note(touched || !nothing, nothing ? wrote : kept.wrote);
                throw e;
            }
            complaint = ", although the tool complained: " + e.getMessage();
        }
        if (!store.readable() && seen()) {
            note(true, now.version);
        }
        if (back) {
            return readBack(true);
        }
        return complaint.isEmpty() ? Done.ok("stored") : Done.warn("holds the new key" + complaint);
    }

    // What is noted before it is written, for what cannot be noted is not done.
    private void note(boolean touched, String wrote) {
        kept.touched = touched;
        kept.wrote = wrote;
        progress.save();
    }

    // May have done it even when it fails: it is read back before that is judged.
    private void write(Key key) {
        String value = field().isEmpty() ? key.reveal()
                : within(now.whole).replaced(Json.line(key.reveal()));
        byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
        Map<String, String> forms = Map.of("key", value, "key:base64", Base64.getEncoder().encodeToString(bytes));
        JsonNode stdin = row.stdin().orElseThrow();
        UnaryOperator<String> inJson = part -> Json.line(part).replaceAll("^\"|\"$", "");
        String input = stdin.isTextual() ? store.filled(stdin.asText(), forms, UnaryOperator.identity())
                : store.filled(Json.line(stdin), forms, inJson);
        store.run(row.write().orElseThrow(), Map.of(), input, Optional.empty());
    }

    /** What was written is what comes back, then and later. */
    Done readBack(boolean back) {
        if (!store.readable()) {
            return Done.skipped("not compared: " + store.note());
        }
        Progress.until(this::look, held -> holds(wanted(back)), SETTLING, held -> Progress.INTERVAL);
        refuseStranger();
        Trouble.when(!holds(wanted(back)), "gives back " + holding() + " instead of sha256 " + wanted(back));
        return Done.ok("holds the " + (back ? "old value again, " : "new key, ") + holding());
    }

    // It is in memory, or after a kill in the store's own history; of a store that does not tell, it is the old key.
    private Key oldValue() {
        Optional<Key> held = store.readable() ? probes.known(kept.before) : probes.old();
        return held.or(this::recalled).orElseThrow(() -> new Trouble(Effect.DENIED, "its old value, "
                + words(kept.before) + ", is at hand nowhere: finishing is the way, unless you have it and give it"
                + " (--key-file)", progress.wishes.again().get()));
    }

    private Optional<Key> recalled() {
        return row.readAt().filter(read -> !kept.version.isEmpty())
                .flatMap(read -> held(store.answer(Optional.of(read), kept.version)).key)
                .filter(key -> key.fingerprint().equals(kept.before));
    }

    /** The same for a person, with the command. */
    Done byHand() {
        String undo = store.undo(kept.version);
        String print = store.readable() ? " (" + words(kept.before) + ")" : "";
        String old = "put the old key" + print + " back into " + store.name();
        return undo.isEmpty() ? new Done(Mark.NONE, old, store.writing())
                : new Done(Mark.NONE, "put the old value of " + store.name() + " back from its own history", undo);
    }
}
