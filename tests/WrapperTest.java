import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.*;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.time.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * {@code ./jbang} as somebody meets it who just cloned the repository: here into a folder with a space in its name,
 * with a catalog of one alias, {@code echo}, whose script prints what reached it. What does not need JBang itself has
 * stand-ins for it, Java and Maven.
 */
class WrapperTest {
    private static final String ECHO = """
        //JAVA 17+
        class Echo {
            public static void main(String... args) throws Exception {
                System.out.println(java.nio.file.Path.of("").toAbsolutePath());
                for (String arg : args) System.out.println("<" + arg + ">");
                System.out.print(new String(System.in.readAllBytes()));
                System.out.flush();
                System.exit(args.length > 1 && args[0].equals("exit") ? Integer.parseInt(args[1]) : 0);
            }
        }
        """;
    private static final String CATALOG = "{\n\"aliases\": {\n\"echo\": {\n\"script-ref\": \"echo.java\"\n}\n}\n}\n";
    private static final Path JAR_NAME = Path.of("klaviyo-runbook", "jbang-cli-0.132.1-all.jar");
    /** A stand-in for JBang that shows its words, for a Java that runs it, for a Maven that brings what is printed. */
    private static final String SHOW = "printf '<%s>' \"$@\"; exit 3";
    private static final String JAVA =
            "[ \"$1\" = -version ] && echo 'openjdk version \"17.0.1\"' >&2 || echo \"java: $JBANG_DIR\"";
    private static final String DELIVER = """
        for arg; do
          case $arg in -DoutputDirectory=*) %s >"${arg#*=}/jbang-cli-0.132.1-all.jar" ;; esac
        done\
        """;

    /** A JBang folder that has been used before. */
    private static final Path WARM = Tree.temporary("jbang-warm");
    private static final Path CLONE = Tree.temporary("clone").resolve("my clone");

    private final Path folder = Tree.temporary("wrapper");
    private final Path stubs = folder.resolve("stubs");

    @BeforeAll
    static void cloneIt() throws IOException {
        cloneInto(CLONE);
        if (find("mvn") != null) {
            wrapper(CLONE, WARM, "echo").run();
        }
    }

    // ---- with JBang itself

    @Test
    void anAliasRunsWhereTheUserIsWithEveryArgumentUnchanged() {
        String[] args = {"", "b  c", "it's", "\"q\"", "*", "$HOME `id` \\", "two\nlines", "--json", "échec"};
        Run.Result result = warm("--quiet", "run", "echo").args(args).stdin("typed\n").run();
        String shown = Stream.of(args).map(arg -> "<" + arg + ">\n").collect(Collectors.joining());
        assertEquals(folder + "\n" + shown + "typed\n", result.out(), result.toString());
    }

    @Test
    void exitStatusesComeThrough() {
        assertEquals(255, warm("echo", "exit", "255").run().exit());
        assertEquals(2, warm("--no-such-option").run().exit());
        assertEquals("0.132.1\n", warm("--version").run().err());
        assertTrue(warm("info", "tools", "echo").run().out().contains("\"mainClass\": \"Echo\""));
    }

    @Test
    void theProcessBecomesTheScript() throws IOException {
        try (Run.Running running = warm("echo").openStdin().start()) {
            running.awaitOut("(?m)^/");
            String command = running.process().info().command().orElseThrow();
            assertTrue(command.endsWith("/java"), "a kill would not reach the script but " + command);
        }
    }

    /** In the names of the clone, of JBang's folder and of the home. */
    @Test
    void anyNameOfAFolderWillDo() throws IOException {
        Path odd = Files.createDirectories(folder.resolve("a b\\c it's \"q\" $(id)\nline"));
        Path clone = cloneInto(odd.resolve("clone"));
        Run.Result result = wrapper(clone, warmCopy(odd.resolve("jbang")), "echo", "x").env("HOME", odd.toString())
                .cwd(folder).run();
        assertEquals(folder + "\n<x>\n", result.out(), result.toString());
    }

    @Test
    void fourFirstStartsAtOnceAllEndWell() {
        assumeTrue(find("mvn") != null && find("flock") != null, "needs Maven and flock");
        Path jbangDir = folder.resolve("new jbang");
        List<Run.Running> starts = IntStream.range(0, 4).mapToObj(each -> wrapper(CLONE, jbangDir, "echo", "" + each)
                .cwd(folder).timeout(Duration.ofMinutes(3)).start()).toList();
        for (int each = 0; each < starts.size(); each++) {
            assertEquals(folder + "\n<" + each + ">\n", starts.get(each).await().out(), starts.get(each).err());
        }
        assertTrue(list(jbangDir.resolve("klaviyo-runbook")).noneMatch(name -> name.startsWith("fetch")));
    }

    @Test
    void aFirstBuildThatWasKilledIsMadeAgain() throws IOException {
        Path jbangDir = warmCopy(folder.resolve("jbang"));
        try (Run.Running first = wrapper(CLONE, jbangDir, "echo").cwd(folder).start()) {
            first.awaitUntil("it builds", () -> first.err().contains("Building jar"));
            first.process().descendants().forEach(ProcessHandle::destroyForcibly);
            first.kill();
        }
        assertEquals(folder + "\n<x>\n", wrapper(CLONE, jbangDir, "echo", "x").cwd(folder).run().out());
    }

    // ---- which JBang, which Java, which folder

    /** Also where it is called through symbolic links, one of them relative. */
    @ParameterizedTest
    @CsvSource({"--verbose echo echo, <--verbose><CLONE/echo.java><echo>", "Other.java echo, <Other.java><echo>",
        "--fresh run echo -x, <--fresh><run><CLONE/echo.java><-x>", "info tools echo, <info><tools><CLONE/echo.java>"})
    void aJBangOnThePathComesFirstAndGetsTheAliassFile(String line, String words) throws IOException {
        stub("jbang", SHOW);
        Path link = Files.createSymbolicLink(Files.createDirectories(folder.resolve("bin")).resolve("kj"),
                CLONE.resolve("jbang"));
        Path relative = Files.createSymbolicLink(folder.resolve("relative"), Path.of("bin/kj"));
        for (Path start : List.of(CLONE.resolve("jbang"), link, relative)) {
            Run.Result result = Run.command(start.toString()).args(line.split(" ")).env("PATH", stubs + ":" + path())
                    .run();
            assertEquals("3 " + words.replace("CLONE", CLONE.toString()), result.exit() + " " + result.out());
        }
    }

    @Test
    void itsCopiesAreNoJBangAndABrokenJavaHomeOrAnEmptyJBangDirCountAsNone() throws IOException {
        stub("java", JAVA);
        Path copy = cloneInto(folder.resolve("copy"));
        Files.createDirectories(folder.resolve(".jbang").resolve(JAR_NAME).getParent());
        Files.createFile(folder.resolve(".jbang").resolve(JAR_NAME));
        Run.Result result = wrapper(CLONE, Path.of(""), "echo").env("HOME", folder.toString())
                .env("JAVA_HOME", "/nowhere").env("PATH", CLONE + ":" + copy + ":" + stubs + ":" + path()).run();
        assertEquals("java: " + folder + "/.jbang\n", result.out(), result.err());
    }

    // ---- getting JBang, and when that fails

    @Test
    void mavenIsQuietUnlessItFailsAndThePomAtHandIsNotItsBusiness() throws IOException {
        Files.writeString(folder.resolve("pom.xml"), "<broken");
        Path jar = WARM.resolve(JAR_NAME);
        assumeTrue(Files.exists(jar), "needs Maven");
        stub("mvn", "[ ! -e pom.xml ] || exit 1; echo noise; " + DELIVER.formatted("cat '" + jar + "'"));
        Run.Result result = fresh("17").run();
        assertEquals("java: " + folder + "/jb\n", result.out(), result.err());
        assertFalse(result.err().contains("noise"));
    }

    /** What Maven does, the version of the JDK at hand, JBang's folder, and what is said in how many lines. */
    @ParameterizedTest(name = "{3}")
    @CsvSource(delimiter = ';', nullValues = "-", value = {
        "DELIVER; 17; jb; was not run: its SHA-256 is; 2", "-; -; jb; JDK.*jbang.dev/download; 3",
        "echo 'Could not transfer'; 17; jb; Could not transfer.*settings.xml; 2",
        "echo must not run >&2; 11; jb; version 11; 3", "true; 17; a file/jb; set JBANG_DIR; -",
        "true; 17; a:b; set JBANG_DIR; 1"})
    void whatIsMissingIsSaidAndNothingIsRun(String maven, String java, String jb, String says, Integer lines)
            throws IOException {
        if (maven != null) {
            stub("mvn", maven.equals("DELIVER") ? DELIVER.formatted("echo not JBang") : maven + "; exit 1");
        }
        Files.writeString(folder.resolve("a file"), "");
        Run.Result result = fresh(java).env("JBANG_DIR", folder.resolve(jb).toString()).run();
        assertEquals("1 ", result.exit() + " " + result.out(), result.toString());
        assertTrue(result.err().matches("(?s).*" + says + ".*"), result.err());
        assertFalse(result.err().contains("must not run"), result.err());
        long said = result.err().lines().filter(line -> !line.startsWith("jbang: getting")).count();
        assertTrue(lines == null || said == lines, result.err());
        assertEquals(List.of(), list(folder.resolve("jb/klaviyo-runbook")).toList());
    }

    // ---- helpers

    private Run warm(String... args) {
        assumeTrue(Files.exists(WARM.resolve(JAR_NAME)), "needs Maven");
        return wrapper(CLONE, WARM, args).cwd(folder);
    }

    private static Run wrapper(Path clone, Path jbangDir, String... args) {
        return Run.command(clone.resolve("jbang").toString()).args(args).env("PATH", path())
                .env("JBANG_DIR", jbangDir.toString());
    }

    /** With an empty JBang folder, on a machine that has but a few commands, those stubbed, and perhaps a JDK. */
    private Run fresh(String java) throws IOException {
        Files.createDirectories(stubs);
        String tools = "basename cat cut dirname grep mkdir mktemp mv readlink rm sed sha256sum shasum flock";
        for (String tool : tools.split(" ")) {
            if (find(tool) != null) {
                Files.createSymbolicLink(stubs.resolve(tool), find(tool));
            }
        }
        if (java != null) {
            stub("java", JAVA.replace("17.0.1", java + ".0.2"));
            stub("javac", "true");
        }
        return wrapper(CLONE, folder.resolve("jb"), "echo", "x").cwd(folder).env("PATH", stubs.toString())
                .env("JAVA_HOME", null);
    }

    private void stub(String name, String script) throws IOException {
        Path file = Files.writeString(Files.createDirectories(stubs).resolve(name), "#!/bin/sh\n" + script + "\n");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private static Path find(String tool) {
        return Stream.of(path().split(":")).map(folder -> Path.of(folder, tool))
                .filter(Files::isExecutable).findFirst().orElse(null);
    }

    /** This machine's PATH without any other JBang. */
    private static String path() {
        return Stream.of(System.getenv("PATH").split(":")).filter(folder -> Files.notExists(Path.of(folder, "jbang")))
                .collect(Collectors.joining(":"));
    }

    private static Path cloneInto(Path clone) throws IOException {
        Files.createDirectories(clone);
        Files.copy(Repository.file("jbang"), clone.resolve("jbang"));
        Files.writeString(clone.resolve("jbang-catalog.json"), CATALOG);
        Files.writeString(clone.resolve("echo.java"), ECHO);
        return clone;
    }

    /** A JBang folder of one's own with the jar in it, to be spoilt. */
    private static Path warmCopy(Path copy) throws IOException {
        assumeTrue(Files.exists(WARM.resolve(JAR_NAME)), "needs Maven");
        Files.createDirectories(copy.resolve(JAR_NAME).getParent());
        Files.copy(WARM.resolve(JAR_NAME), copy.resolve(JAR_NAME));
        return copy;
    }

    private static Stream<String> list(Path folder) {
        String[] names = folder.toFile().list();
        return names == null ? Stream.empty() : Stream.of(names).sorted();
    }
}
