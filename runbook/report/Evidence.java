package runbook.report;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import runbook.Http.Answer;
import runbook.Http;
import runbook.Text.Json;
import runbook.Settings.Problem;
import runbook.Text;
import runbook.Incident.Event;
import runbook.Incident;

/**
 * Everything that was recorded about an incident, from wherever it could be had.
 *
 * @param recorded  the journal
 * @param vendor    the vendor's incidents that overlap with ours, oldest first
 * @param metrics   numbers
 * @param logs      failed calls in a bundle's logs; empty without a bundle
 * @param onset     the first sign of trouble that metrics or logs show, and the last normal moment before it
 * @param asked     what was read, in words
 * @param missing   what was not to be had and why, a sentence each
 */
record Evidence(Recorded recorded, List<VendorIncident> vendor, Metrics metrics, Optional<Logs> logs, List<Entry> onset,
                List<String> asked, List<String> missing) {
    private static final Duration LATE = Duration.ofHours(48);
    private static final Duration BEFORE = Duration.ofHours(1);
    private static final Duration AFTER = Duration.ofMinutes(15);

    static Evidence gather(Report.Sources from) {
        List<String> asked = new ArrayList<>();
        List<String> missing = new ArrayList<>();
        Recorded recorded = journal(from, asked, missing);
        Optional<BundleFile> bundle = from.bundle().map(file -> BundleFile.read("--bundle", file, from.now()))
                .or(() -> newest(from, missing));
        if (bundle.isPresent()) {
            asked.add("debug bundle " + bundle.get().name());
            missing.addAll(bundle.get().problems());
            // The bundle's copy is redacted, so that its lines would stand beside the journal's own.
            recorded = recorded.entries().isEmpty() ? bundle.get().recorded() : recorded;
        }
        missing.addAll(recorded.problems());
        Optional<Instant> noticed = recorded.entries().stream().map(Entry::at).findFirst()
                .or(() -> bundle.flatMap(file -> file.logs().first()));
        Metrics metrics = metrics(from, recorded, noticed, bundle, asked, missing);
        List<Entry> onset = onset(metrics, bundle, recorded);
        List<VendorIncident> vendor = vendor(from, recorded, bundle, asked, missing);
        return new Evidence(
                recorded,
                vendor,
                metrics.or(rounds(from, bundle)),
                bundle.map(BundleFile::logs),
                onset,
                asked,
                missing);
    }

    private static Recorded journal(Report.Sources from, List<String> asked, List<String> missing) {
        if (from.incident().isEmpty() || Files.notExists(from.incident().get().journal().file())) {
            missing.add("no journal: "
                    + (from.incident().isPresent()
                            ? "the incident folder has none"
                            : "no incident folder was given or found"));
            return Recorded.NOTHING;
        }
        Path file = from.incident().get().journal().file();
        try {
            Recorded recorded = Recorded.read(Files.newInputStream(file), "journal.jsonl", from.now());
            asked.add("journal (" + Text.count(recorded.entries().size(), "event") + ")");
            return recorded;
        } catch (IOException e) {
            missing.add("the journal cannot be read: " + Incident.why(e));
            return Recorded.NOTHING;
        }
    }

    // Nobody named this one, so that a broken one is a note and no error.
    private static Optional<BundleFile> newest(Report.Sources from, List<String> missing) {
        Optional<Path> newest = from.incident().flatMap(incident -> files(incident, "bundle-.*\\.zip")
                .reduce((one, later) -> later));
        try {
            return newest.map(file -> BundleFile.read("the folder's", file, from.now()));
        } catch (Problem e) {
            missing.add(e.getMessage());
            return Optional.empty();
        }
    }

    private static Stream<Path> files(Incident incident, String name) {
        try (Stream<Path> files = Files.list(incident.folder())) {
            return files.filter(file -> file.getFileName().toString().matches(name)).sorted().toList().stream();
        } catch (IOException e) {
            return Stream.empty();
        }
    }

    private static Metrics metrics(Report.Sources from, Recorded recorded, Optional<Instant> noticed, Optional<BundleFile> bundle,
                                   List<String> asked, List<String> missing) {
        if (noticed.isEmpty()) {
            return Metrics.NONE;
        }
        if (from.prometheus() != null) {
            Instant last = recorded.ended().orElse(noticed.get());
            Instant until = last.plus(AFTER).isBefore(from.now()) ? last.plus(AFTER) : from.now();
            Prometheus prometheus = new Prometheus(from.http(), from.prometheus(), from.timeout());
            Metrics metrics = prometheus.read(from.queries(), noticed.get(), noticed.get().minus(BEFORE), until);
            missing.addAll(prometheus.problems());
            if (metrics.any()) {
                asked.add("Prometheus");
                return metrics;
            }
        }
        return bundle.map(file -> file.metrics(
                        file.metrics(noticed.get()).onset(noticed.get()).orElse(noticed.get())))
                .orElse(Metrics.NONE);
    }

    private static Metrics rounds(Report.Sources from, Optional<BundleFile> bundle) {
        Optional<Path> file = from.incident().map(incident -> incident.folder().resolve(Rounds.FILE)).filter(Files::exists);
        try {
            return file.isPresent()
                    ? Rounds.read(Files.newInputStream(file.get()))
                    : bundle.map(BundleFile::rounds).orElse(Metrics.NONE);
        } catch (IOException e) {
            return Metrics.NONE;
        }
    }

    private static List<Entry> onset(Metrics metrics, Optional<BundleFile> bundle, Recorded recorded) {
        Optional<Instant> noticed = recorded.entries().stream().map(Entry::at).findFirst();
        Optional<Instant> rose = metrics.onset(noticed.orElse(Instant.MAX.minus(BEFORE)));
        if (rose.isPresent()) {
            Optional<Entry> normal = metrics.allErrors().points().stream()
                    .map(Series.Point::at)
                    .filter(at -> at.isBefore(rose.get()))
                    .reduce((earlier, later) -> later)
                    .map(at -> new Entry(at, Entry.NORMAL, "metrics", "failed calls at their usual level"));
            return Stream.of(
                            normal,
                            Optional.of(new Entry(rose.get(), Entry.SYMPTOM, "metrics", "failed calls begin to rise")))
                    .flatMap(Optional::stream)
                    .toList();
        }
        return bundle
                .flatMap(file -> file.logs().first())
                .filter(at -> noticed.isEmpty() || at.isBefore(noticed.get()))
                .stream()
                .map(at -> new Entry(at, Entry.SYMPTOM, "application logs", "first failed call in the bundle's logs"))
                .toList();
    }

    private static List<VendorIncident> vendor(
            Report.Sources from,
            Recorded recorded,
            Optional<BundleFile> bundle,
            List<String> asked,
            List<String> missing) {
        Map<String, VendorIncident> known = new TreeMap<>();
        fromTriage(from).forEach(incident -> keep(known, incident));
        VendorIncident.seenByWatch(recorded.entries()).forEach(incident -> keep(known, incident));
        bundle.ifPresent(file -> file.vendor().forEach(incident -> keep(known, incident)));
        if (!recorded.drill().isEmpty() && from.status() != null && "status.klaviyo.com".equals(from.status().getHost())) {
            missing.add("a drill: the real status page was not asked");
        } else if (from.status() != null && !recorded.entries().isEmpty()) {
            Answer answer =
                    from.http().get(URI.create(from.status() + "/api/v2/incidents.json"), Map.of(), from.timeout());
            if (answer instanceof Http.Reply reply && reply.json().path("incidents").isArray()) {
                asked.add("status page");
                VendorIncident.readAll(reply.json()).forEach(incident -> keep(known, incident));
            } else {
                missing.add("the status page's record: "
                        + (answer instanceof Http.Fault fault
                                ? fault.words()
                                : "HTTP " + ((Http.Reply) answer).status() + ", no list of incidents"));
            }
        }
        return overlapping(known.values(), recorded);
    }

    // The same incident is known from several records: the one with the most updates tells the most.
    private static void keep(Map<String, VendorIncident> known, VendorIncident incident) {
        known.merge(incident.name(), incident, (one, other) -> other.updates().size() >= one.updates().size() ? other : one);
    }

    private static List<VendorIncident> overlapping(Iterable<VendorIncident> all, Recorded recorded) {
        List<VendorIncident> ours = new ArrayList<>();
        if (!recorded.entries().isEmpty()) {
            Instant from = recorded.entries().get(0).at().minus(BEFORE);
            Instant to = recorded.ended().orElse(from);
            all.forEach(incident -> {
                if (incident.overlaps(from, to) && incident.posted().isBefore(to.plus(LATE))) {
                    ours.add(incident);
                }
            });
        }
        ours.sort(Comparator.comparing(VendorIncident::posted));
        return ours;
    }

    private static List<VendorIncident> fromTriage(Report.Sources from) {
        List<VendorIncident> found = new ArrayList<>();
        for (Path file : from.incident().stream().flatMap(incident -> files(incident, "triage-.*\\.json")).limit(50).toList()) {
            try {
                Json.read(Files.readAllBytes(file))
                        .path("checks")
                        .forEach(check -> found.addAll(VendorIncident.readAll(check.path("detail"))));
            } catch (IOException e) {
                // The status page itself is asked next; a torn triage file is no news for the reader.
            }
        }
        return found;
    }

    /** Every entry of the timeline, by time. */
    List<Entry> entries() {
        List<Entry> all = new ArrayList<>(recorded.entries());
        // Watch's notes of the vendor's updates stand at the vendor's time, with the vendor as their source.
        all.removeIf(entry -> entry.data().has("vendorAt"));
        all.addAll(onset);
        vendor.forEach(incident -> all.addAll(incident.entries()));
        return Recorded.inOrder(withStable(all));
    }

    // Watch tells of a recovery once it held: the moment it began is a row of its own, with the runbook's words.
    private static List<Entry> withStable(List<Entry> entries) {
        List<Entry> all = new ArrayList<>();
        for (Entry entry : entries) {
            if (entry.kind().equals(Event.RECOVERED) && Milestones.goodSince(entry).isBefore(entry.at())) {
                all.add(new Entry(Milestones.goodSince(entry), entry.kind(), entry.source(), Entry.BEGINS, entry.data()));
                all.add(new Entry(entry.at(), Entry.STABLE, entry.source(), entry.text(), entry.data()));
            } else {
                all.add(entry);
            }
        }
        return all;
    }
}
