///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DESCRIPTION Writes the README's screens, options, list of files and pictures anew, from what the scripts really do
//DEPS org.jsoup:jsoup:1.24.1
//SOURCES Readme.java
//SOURCES Repository.java
//SOURCES Run.java
//SOURCES Tree.java
//SOURCES ../runbook/Cli.java
//SOURCES ../runbook/Http.java
//SOURCES ../runbook/Incident.java
//SOURCES ../runbook/Key.java
//SOURCES ../runbook/Klaviyo.java
//SOURCES ../runbook/Lines.java
//SOURCES ../runbook/Message.java
//SOURCES ../runbook/Screen.java
//SOURCES ../runbook/Settings.java
//SOURCES ../runbook/Text.java
//SOURCES ../runbook/Tool.java
//SOURCES ../runbook/sandbox/FakeKlaviyo.java
//SOURCES ../runbook/sandbox/Sandbox.java
//SOURCES ../runbook/sandbox/Sites.java
//SOURCES ../runbook/sandbox/WebServer.java
//DEPS com.fasterxml.jackson.core:jackson-databind:2.22.4

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jsoup.Jsoup;
import org.jsoup.nodes.DataNode;
import org.jsoup.nodes.Document;
import org.jsoup.nodes.Element;

/**
 * {@code ./jbang readme}: after a change of options, screens or files. ReadmeTest tells when it is due. {@code ./jbang
 * readme quick} leaves the screens and pictures, which take minutes, as they are.
 */
class WriteReadme {
    public static void main(String... args) throws IOException {
        boolean quick = List.of(args).contains("quick");
        if (!quick) {
            Files.createDirectories(Repository.file("pictures"));
            watchPicture();
            timelinePicture();
        }
        Predicate<String> due = block -> !quick || block.equals("files") || block.contains("--help");
        Files.writeString(Readme.FILE, Readme.renew(Files.readString(Readme.FILE), due));
        System.exit(0);
    }

    private static void watchPicture() {
        Run.process("watch").args("--drill", "recovering", "--chart", Repository.file("pictures/watch.svg").toString())
                .cwd(Tree.temporary("watch")).timeout(Duration.ofMinutes(3)).run();
    }

    private static void timelinePicture() throws IOException {
        Path folder = Tree.temporary("game-day");
        Run.Result drill = Run.wrapper("drill", "--yes", "--lead", "Sam").cwd(folder).run();
        if (drill.exit() != 0) {
            throw new IllegalStateException("./jbang drill: " + drill);
        }
        try (Stream<Path> files = Files.walk(folder)) {
            Path report = files.filter(file -> file.endsWith("postmortem.html")).findFirst().orElseThrow();
            Document page = Jsoup.parse(Files.readString(report));
            // The picture stands alone here: with the page's styles, and the patterns that it fills its bands with.
            Element picture = page.selectFirst("svg.wide").attr("xmlns", "http://www.w3.org/2000/svg");
            Element group = new Element("g").addClass("timeline").appendChildren(List.copyOf(picture.children()));
            picture.empty().appendChild(group).prependChild(page.selectFirst("figure.timeline > svg > defs"));
            picture.prependElement("style")
                    .appendChild(new DataNode(
                            page.select("style").stream().map(Element::data).collect(Collectors.joining("\n"))));
            Files.writeString(Repository.file("pictures/timeline.svg"), picture.outerHtml() + "\n");
        }
    }
}
