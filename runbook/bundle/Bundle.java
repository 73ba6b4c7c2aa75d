package runbook.bundle;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.Stream;
import java.util.zip.Inflater;
import java.util.zip.InflaterInputStream;
import runbook.Checks.Deadline;
import runbook.Text.Json;
import runbook.redact.Redactor;
import runbook.redact.Redactor.Tally;

/** A debug bundle: collects, redacts while it collects, writes the archive, reads it back, and only then gives it its name. */
public final class Bundle {
    // What is left of the whole's time is for writing and reading back.
    private static final double FOR_COLLECTING = 0.75;
    private static final long FRONT_PAGES = 200_000;

    private final BundleRequest request;
    private final Path target;
    private final Redactor redactor;

    /** @param target where the archive goes; it must not exist yet */
    public Bundle(BundleRequest request, Path target) {
        this.request = request;
        this.target = target;
        this.redactor = new Redactor(request.policy());
    }

    /**
     * What came of it.
     *
     * @param file     the archive
     * @param bytes    its size
     * @param files    how many files are in it
     * @param unpacked their size
     * @param missing  what is not in it, a line each
     * @param complete whether no collector failed
     * @param redacted rule to count
     * @param headline triage's verdict in a line
     */
    public record Made(
            Path file,
            long bytes,
            int files,
            long unpacked,
            List<String> missing,
            boolean complete,
            Map<String, Long> redacted,
            String headline) {}

    /** How far it is: a collector that ended, or a step of the work on the whole. */
    public record Progress(String what, boolean good, boolean skipped, String words) { }

    /** What would be collected, and a guess at its size, a line each; nothing is read but names and sizes. */
    public List<String> plan() {
        List<String> lines = new ArrayList<>();
        long known = 0;
        for (Collector collector : new Collectors(request).all()) {
            if (collector instanceof Collector.Skipped skipped) {
                lines.add(skipped.name() + ": skipped, " + skipped.why());
            }
            for (Collector.Planned planned : collector.plan()) {
                known += Math.max(0, planned.bytes());
                lines.add(redactor.text(collector.name() + ": " + planned.what())
                        + (planned.bytes() >= 0 ? ", " + Bytes.words(planned.bytes()) : ""));
            }
        }
        lines.add("To read: about " + Bytes.words(known) + " and what commands print; the archive: about "
                + Bytes.words(Math.min(request.limits().size(), known / 8 + FRONT_PAGES)) + " or less");
        return lines;
    }

    /**
     * Makes it.
     *
     * @throws Unsafe      when a secret was found in the finished archive, which is deleted then
     * @throws IOException when it cannot be written
     */
    public Made make(Consumer<Progress> progress) throws IOException, InterruptedException {
        Deadline whole = Deadline.in(Duration.ofNanos((long) (request.limits().time().toNanos() * FOR_COLLECTING)));
        try (Staging staging = new Staging(target);
                Conveyor conveyor = new Conveyor(redactor);
                Conveyor again = new Conveyor(redactor.again())) {
            Room room = new Room(staging.folder(), request.limits().size());
            Sink.Workshop workshop = new Sink.Workshop(staging.folder(), room, conveyor, redactor, new EntryNames());
            Collectors collectors = new Collectors(request);
            List<Outcome> outcomes = new Collection(
                            workshop,
                            request.limits().each(),
                            whole,
                            room.size())
                    .run(
                            collectors.all(),
                            outcome -> progress.accept(new Progress(
                                    outcome.collector(),
                                    outcome.state() == Outcome.State.OK,
                                    outcome.state() == Outcome.State.SKIPPED,
                                    outcome.words())));
            List<Item> collected = outcomes.stream()
                    .flatMap(outcome -> outcome.items().stream())
                    .sorted(Comparator.comparing(Item::path))
                    .toList();
            keepWithin(room, collected);
            if (room.limits() && collected.stream().anyMatch(item -> item.part().dropped() > 0)) {
                Outcome disk = disk(room);
                progress.accept(new Progress(disk.collector(), false, false, disk.words()));
                outcomes.add(disk);
            }
            Story story = story(collectors, outcomes, collected);
            List<Item> all = withFrontPages(
                    new Sink.Workshop(staging.folder(), room, again, redactor, workshop.names()), story, outcomes, collected);
            return finish(staging, all, story, outcomes, progress);
        }
    }

    // The largest give way first, by their oldest lines.
    private static void keepWithin(Room room, List<Item> items) throws IOException {
        long packed = items.stream().mapToLong(item -> item.part().packed()).sum();
        long size = Math.min(room.size(), (room.free() + packed) / 2 - FRONT_PAGES) - FRONT_PAGES;
        for (int round = 0; round < 1_000; round++) {
            long excess = items.stream().mapToLong(item -> item.part().packed()).sum() - size;
            Part largest = items.stream().map(Item::part).max(Comparator.comparingLong(Part::packed)).orElse(null);
            if (excess <= 0 || largest == null || largest.packed() < 100) {
                return;
            }
            largest.shrinkTo(Math.max(0, largest.packed() - Math.max(excess / 2, 1)));
        }
    }

    private Outcome disk(Room room) {
        return new Outcome("bundle/disk", Outcome.State.FAILED, List.of("the oldest lines were left out: the disk had room for "
                + Bytes.words(2 * room.size()) + " only (--out names another)"), List.of(), 0, List.of());
    }

    private Story story(Collectors collectors, List<Outcome> outcomes, List<Item> items) throws IOException {
        LogStory logs = new LogStory(request.window(), request.logs().zone());
        for (Item item : items) {
            if (item.path().startsWith("application/") && !item.path().contains("health")) {
                try (InputStream text = new InflaterInputStream(item.part().deflated(), new Inflater(true), 1 << 16)) {
                    logs.read(text, item.part().plain());
                }
            }
        }
        return new Story(
                Instant.now(),
                request.settings().drill().orElse(null),
                request.window(),
                collectors.vendor().verdict(),
                collectors.status().lines(),
                collectors.plots(),
                logs,
                outcomes,
                List.copyOf(request.kept()),
                items.stream().mapToLong(item -> item.tally().total()).sum());
    }

    private List<Item> withFrontPages(Sink.Workshop workshop, Story story, List<Outcome> outcomes, List<Item> collected)
            throws IOException {
        Item summary = page(workshop, "summary.md", story.markdown());
        Item report = page(workshop, "report.html", ReportPage.of(story));
        List<Item> counted = Stream.concat(Stream.of(summary, report), collected.stream()).toList();
        Item redaction = page(workshop, "redaction.json", Json.pretty(Manifest.redaction(counted)) + "\n");
        List<Item> listed = Stream.concat(Stream.of(summary, report, redaction), collected.stream()).toList();
        Manifest.Head head = new Manifest.Head(
                request.version(),
                request.settings().drill().orElse(null),
                story.created().truncatedTo(ChronoUnit.MILLIS).toString(),
                request.window(),
                request.logs().words(),
                List.copyOf(request.kept()));
        JsonNode manifest = Manifest.json(head, outcomes, listed);
        return Stream.concat(Stream.of(page(workshop, Manifest.FILE, Json.pretty(manifest) + "\n")), listed.stream())
                .toList();
    }

    private static Item page(Sink.Workshop workshop, String name, String content) throws IOException {
        Tally tally = new Tally();
        Part part = new Part(workshop.folder(), "page-" + name);
        workshop.conveyor()
                .carry(
                        new ByteArrayInputStream(content.getBytes(StandardCharsets.UTF_8)),
                        Long.MAX_VALUE,
                        LineChoice.Wanted.everything(),
                        tally,
                        part);
        part.finish();
        return new Item(name, "bundle", Item.Origin.none(0), part, tally, List.of());
    }

    private Made finish(
            Staging staging, List<Item> items, Story story, List<Outcome> outcomes, Consumer<Progress> progress)
            throws IOException {
        Path half = staging.file("archive.part");
        Archive.write(half, items, story.created());
        long start = System.nanoTime();
        Verification verification = Verification.of(half, request.policy());
        if (!verification.good()) {
            throw new Unsafe(Unsafe.words(verification));
        }
        progress.accept(new Progress(
                "bundle/read-back",
                true,
                false,
                Bytes.words(verification.bytes()) + " read back, no secret found ("
                        + (System.nanoTime() - start) / 1_000_000 + " ms)"));
        long bytes = Files.size(half);
        Files.move(half, target, StandardCopyOption.ATOMIC_MOVE);
        Map<String, Long> redacted = new TreeMap<>();
        items.forEach(item -> item.tally().counts().forEach((rule, count) -> redacted.merge(rule, count, Long::sum)));
        return new Made(
                target,
                bytes,
                verification.files(),
                verification.bytes(),
                Manifest.missing(outcomes),
                outcomes.stream().noneMatch(outcome -> outcome.state() == Outcome.State.FAILED),
                redacted,
                redactor.text(story.headline()));
    }
}
