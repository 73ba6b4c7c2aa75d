package runbook.bundle;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import runbook.Text.Json;
import runbook.Text;
import runbook.redact.Pieces.PlainInput;
import runbook.redact.Redactor;
import runbook.redact.Redactor.Tally;

/** What one collector gives its finds to. Everything passes the redactor on its way in, names and notes too. */
final class Sink {
    private static final int LONGEST_NOTE = 400;

    private final String collector;
    private final Workshop workshop;
    private final long limit;
    private final List<Item> items = new ArrayList<>();
    private final List<String> troubles = new ArrayList<>();
    private final List<String> remarks = new ArrayList<>();
    private String skipped;
    private final List<Child> children = new ArrayList<>();
    private boolean closed;
    private volatile boolean expired;

    /**
     * What all collectors share.
     *
     * @param folder   for parts
     * @param room     for all of them
     * @param conveyor for streams
     * @param redactor for short texts
     * @param names    of entries
     */
    record Workshop(Path folder, Room room, Conveyor conveyor, Redactor redactor, EntryNames names) { }

    Sink(String collector, Workshop workshop, long limit) {
        this.collector = collector;
        this.workshop = workshop;
        this.limit = limit;
    }

    /** Adds a file that is at hand. */
    void text(String name, String content, long millis) throws IOException {
        stream(
                name,
                new ByteArrayInputStream(content.getBytes(StandardCharsets.UTF_8)),
                Long.MAX_VALUE,
                LineChoice.Wanted.everything(),
                new Job(millis));
    }

    /** Adds a JSON file. */
    void json(String name, JsonNode content, long millis) throws IOException {
        text(name, Json.pretty(content) + "\n", millis);
    }

    /** What a stream turns out to be once it has ended; asked for after the last byte. */
    interface Ending {
        Item.Origin origin() throws IOException;

        /** Remarks on the item itself. */
        default List<String> notes() {
            return List.of();
        }
    }

    private record Job(long millis) implements Ending {
        @Override
        public Item.Origin origin() {
            return Item.Origin.none(millis);
        }
    }

    /**
     * Adds what a stream holds, at most {@code most} bytes of it, chosen by {@code wanted}. What is no text is left out and noted.
     *
     * @return what came of it; null when it was left out
     */
    Conveyor.Carried stream(String name, InputStream raw, long most, LineChoice.Wanted wanted, Ending ending)
            throws IOException {
        String path = path(name);
        Tally tally = new Tally();
        Part part = new Part(
                workshop.folder(),
                "part-" + Integer.toHexString(System.identityHashCode(this)) + "-" + items.size(),
                limit,
                workshop.room()::scarce);
        Conveyor.Carried carried;
        try {
            carried = workshop.conveyor().carry(PlainInput.of(new Expiring(raw)), most, wanted, tally, part);
        } catch (PlainInput.NotText e) {
            part.close();
            remark(name.replaceFirst("^log/", "") + " left out: " + e.getMessage());
            return null;
        }
        part.finish();
        Item.Origin origin = ending.origin();
        List<String> notes = new ArrayList<>(ending.notes());
        if (expired) {
            notes.add("truncated: its time was up");
        }
        if (carried.trouble() != null) {
            notes.add("reading stopped early: " + carried.trouble());
        }
        if (carried.leftOut() > 0) {
            notes.add(carried.leftOut() + " bytes left out: they could not be redacted");
        }
        add(new Item(path, collector, origin, part, tally, notes.stream().map(this::clean).toList()));
        return carried;
    }

    private synchronized void add(Item item) throws IOException {
        if (closed) {
            item.part().close();
            throw new IOException("its time was up");
        }
        items.add(item);
    }

    private String path(String name) {
        StringBuilder path = new StringBuilder(collector.replaceFirst("/.*", ""));
        for (String element : clean(name).split("/")) {
            path.append('/').append(EntryNames.safe(element));
        }
        return workshop.names().unique(path.toString());
    }

    /** Says that something is missing from an otherwise good collection. */
    synchronized void remark(String remark) {
        remarks.add(clean(remark));
    }

    /** Says that this source is not there at all, which is no failure. */
    synchronized void skipped(String why) {
        skipped = clean(why);
    }

    /** Says that something went wrong; the rest goes on. */
    synchronized void trouble(String trouble) {
        troubles.add(clean(trouble));
    }

    /** A short text, redacted and on one line. */
    String clean(String text) {
        return Text.safe(
                workshop.redactor().text(text == null ? "" : text.length() > 20_000 ? text.substring(0, 20_000) : text),
                LONGEST_NOTE);
    }

    /** A child that is to end when the time is up. */
    Child start(List<String> words, boolean merged) throws IOException {
        Child child = new Child(this, words, merged);
        synchronized (this) {
            children.add(child);
        }
        if (expired) {
            child.close();
        }
        return child;
    }

    /** Its time is up: streams end, children are killed, and what came so far can be handed over. */
    void expire() {
        expired = true;
        List<Child> running;
        synchronized (this) {
            running = List.copyOf(children);
        }
        running.forEach(Child::close);
    }

    /** A stream that ends when the time is up. */
    private final class Expiring extends FilterInputStream {
        Expiring(InputStream stream) {
            super(stream);
        }

        @Override
        public int available() throws IOException {
            return expired ? 0 : in.available();
        }

        @Override
        public int read() throws IOException {
            return expired ? -1 : in.read();
        }

        @Override
        public int read(byte[] target, int offset, int length) throws IOException {
            try {
                return expired ? -1 : in.read(target, offset, length);
            } catch (IOException e) {
                // A killed child's pipe breaks; what came through it before is kept.
                if (expired) {
                    return -1;
                }
                throw e;
            }
        }
    }

    /** No more will be taken: what comes late is dropped. */
    synchronized void close() {
        closed = true;
    }

    synchronized List<Item> items() {
        return List.copyOf(items);
    }

    synchronized List<String> troubles() {
        return List.copyOf(troubles);
    }

    synchronized List<String> remarks() {
        return List.copyOf(remarks);
    }

    synchronized String skipped() {
        return skipped;
    }
}
