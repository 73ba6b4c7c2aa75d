package runbook.bundle;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import runbook.Incident;

/** The incident's journal and what other steps left in its folder; earlier bundles are not bundled again. */
record IncidentFiles(Incident incident) implements Collector {
    @Override
    public String name() {
        return "incident/folder";
    }

    @Override
    public List<Planned> plan() {
        List<Planned> plan = new ArrayList<>();
        try {
            for (Path file : files()) {
                plan.add(new Planned(file.toString(), Files.size(file)));
            }
        } catch (IOException e) {
            plan.add(new Planned(Incident.why(e), -1));
        }
        return plan;
    }

    private List<Path> files() throws IOException {
        try (Stream<Path> files = Files.list(incident.folder())) {
            return files.filter(Files::isRegularFile)
                    .filter(file -> !file.toString().endsWith(".zip")
                            && !file.getFileName().toString().startsWith("."))
                    .sorted()
                    .toList();
        }
    }

    @Override
    public void collect(Sink sink) throws IOException {
        for (Path file : files()) {
            try (InputStream stream = Files.newInputStream(file)) {
                sink.stream(
                        file.getFileName().toString(),
                        stream,
                        Files.size(file),
                        LineChoice.Wanted.everything(),
                        () -> Item.Origin.none(0));
            } catch (IOException e) {
                sink.remark(file.getFileName() + " left out: " + Incident.why(e));
            }
        }
    }
}
