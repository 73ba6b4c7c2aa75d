package runbook.rotation;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserDefinedFileAttributeView;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import runbook.Cli;
import runbook.Incident;
import runbook.Key;
import runbook.Text;
import runbook.Tool;
import runbook.rotation.Steps.Trouble;
import runbook.rotation.Stores.Held;

/**
 * A variable in a dotenv file, {@code file:PATH#VAR}. The file is replaced as a whole or not at all; comments, order,
 * quotes and line ends stay, and so do mode, owner, group, access lists and extended attributes, or it is not replaced.
 *
 * @param hand what is written of a key: in earnest the key itself, in a drill what slipped
 */
record DotenvFile(Path path, String variable, UnaryOperator<Key> hand) implements Stores.Store {
    private static final int LARGEST = 1 << 20;
    private static final boolean POSIX = FileSystems.getDefault().supportedFileAttributeViews().contains("unix");
    private static final Pattern FORM = Pattern.compile("file:([^\\x00-\\x1f]+)#([A-Za-z_][A-Za-z0-9_]*)");

    /**
     * Where it is from whatever folder: no shell expands {@code ~} after {@code file:}. Empty when this was not typed.
     */
    static Optional<DotenvFile> of(Cli.Host host, String typed) {
        Matcher form = FORM.matcher(typed);
        if (!form.matches()) {
            return Optional.empty();
        }
        String path = form.group(1).replaceFirst("^~/", Matcher.quoteReplacement(host.home() + "/"));
        return Optional.of(new DotenvFile(host.path(path).toAbsolutePath().normalize(), form.group(2), key -> key));
    }

    @Override
    public String name() {
        return "file:" + path + "#" + variable;
    }

    private String quoted() {
        return Text.word(path.toString());
    }

    // Both are done within this process: the words only show what is done.
    @Override
    public String reading() {
        return "rotate-key: read " + variable + " in " + quoted();
    }

    @Override
    public String writing() {
        return "rotate-key: replace " + variable + " in " + quoted();
    }

    @Override
    public Held inspect(Tool tool) throws Trouble {
        Held held = read(tool);
        Path file = real();
        if (!Files.isWritable(file.getParent())) {
            throw Trouble.refused("no permission to write in " + file.getParent() + ", which replacing the file needs",
                    "sudo chown \"$USER\" " + Text.word(file.getParent().toString()));
        }
        try {
            String me = System.getProperty("user.name");
            String owner = POSIX ? Files.getOwner(file).getName() : me;
            if (!owner.equals(me) && !me.equals("root")) {
                throw Trouble.refused(path + " belongs to " + owner + ": replacing it would change that", "sudo -u "
                        + owner + " …the same command…");
            } else if (POSIX && (int) Files.getAttribute(file, "unix:nlink") > 1) {
                throw Trouble.refused(path + " is a hard link: the file's other names would keep the old key",
                        "find / -xdev -samefile " + quoted() + "   # then make it a symbolic link");
            }
        } catch (IOException e) {
            throw unreadable(e);
        }
        return held;
    }

    @Override
    public Held read(Tool tool) throws Trouble {
        return Held.of(assignment(text()).value(), "");
    }

    @Override
    public void write(Tool tool, Key key) throws Trouble {
        Path file = real();
        // One fixed name: should we be killed in between, the next run finds and removes it.
        Path ours = file.resolveSibling("." + file.getFileName() + ".rotate-key");
        Path half = ours.resolve(file.getFileName());
        try {
            String text = text();
            Assignment assignment = assignment(text);
            discard(ours, half);
            // Nobody else can look into the folder while the copy has not yet all that protects it.
            Files.createDirectory(ours, mode("rwx------"));
            Files.copy(file, half, StandardCopyOption.COPY_ATTRIBUTES);
            Files.writeString(half, text.substring(0, assignment.begin) + hand.apply(key).reveal()
                    + text.substring(assignment.end), StandardCharsets.ISO_8859_1);
            try (FileChannel written = FileChannel.open(half, StandardOpenOption.WRITE)) {
                written.force(true);
            }
            if (!attributes(tool, file).equals(attributes(tool, half))) {
                throw Trouble.refused(path + " has an owner, access list or attributes that a new file would not have",
                        "ls -l " + quoted() + "   # or write it by --to 'exec:…'");
            }
            Files.move(half, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new Trouble(Trouble.Kind.UNKNOWN, path + " cannot be replaced: " + Incident.why(e),
                    "ls -ld " + Text.word(file.getParent().toString()));
        } finally {
            discard(ours, half);
        }
    }

    /** These permissions for a new file or folder, where there are such. */
    static FileAttribute<?>[] mode(String permissions) {
        var set = PosixFilePermissions.fromString(permissions);
        return POSIX ? new FileAttribute<?>[] {PosixFilePermissions.asFileAttribute(set)} : new FileAttribute<?>[0];
    }

    private static void discard(Path ours, Path half) {
        try {
            Files.deleteIfExists(half);
            Files.deleteIfExists(ours);
        } catch (IOException e) {
            // The folder is gone; a run that can write removes it.
        }
    }

    // Java copies access lists and extended attributes where it can, and is silent where it cannot: ls shows a + or @
    // for them.
    private static Map<String, Object> attributes(Tool tool, Path file) throws IOException {
        Map<String, Object> all = new TreeMap<>();
        if (POSIX) {
            all.putAll(Files.readAttributes(file, "unix:mode,uid,gid", LinkOption.NOFOLLOW_LINKS));
            try {
                all.put("listed", tool.run(List.of("ls", "-ld", file.toString())).out().split(" ")[0]);
            } catch (Tool.Failure e) {
                all.put("listed", "");
            }
        }
        UserDefinedFileAttributeView view = Files.getFileAttributeView(file, UserDefinedFileAttributeView.class);
        if (view != null) {
            all.put("attributes", new TreeSet<>(view.list()));
        }
        return all;
    }

    private Path real() throws Trouble {
        try {
            return path.toRealPath();
        } catch (IOException e) {
            throw unreadable(e);
        }
    }

    private Trouble unreadable(IOException e) {
        return Trouble.refused(path + " cannot be read: " + Incident.why(e), Files.notExists(path)
                ? "find . -name " + Text.word(path.getFileName().toString()) : "ls -l " + quoted());
    }

    // Bytes as they are: a dotenv file need not be UTF-8, and what is not ours must not change.
    private String text() throws Trouble {
        try {
            Path file = real();
            if (!Files.isRegularFile(file) || Files.size(file) > LARGEST) {
                throw Trouble.refused(path + " is no dotenv file", "ls -l " + quoted());
            }
            return Files.readString(file, StandardCharsets.ISO_8859_1);
        } catch (IOException e) {
            throw unreadable(e);
        }
    }

    /** Where the value stands in the file, quotes left outside. */
    private record Assignment(String value, int begin, int end) { }

    private Assignment assignment(String text) throws Trouble {
        Matcher line = Pattern.compile("(?m)^[ \\t]*(?:export[ \\t]+)?" + Pattern.quote(variable) + "[ \\t]*=[ \\t]*"
                + "(?:\"([^\"\\r\\n]*)\"|'([^'\\r\\n]*)'|([^\\s\"'#][^\\r\\n]*?|))[ \\t]*(?:[ \\t]#[^\\r\\n]*)?\\r?$")
                        .matcher(text);
        if (!line.find()) {
            throw Trouble.refused(path + " sets no " + variable, "echo " + variable + "= >> " + quoted());
        }
        int group = line.group(1) != null ? 1 : line.group(2) != null ? 2 : 3;
        Assignment found = new Assignment(line.group(group), line.start(group), line.end(group));
        if (line.find()) {
            throw Trouble.refused(path + " sets " + variable
                    + " more than once: which one counts depends on who reads it", "grep -n " + variable + " "
                    + quoted() + "   # remove all but one");
        }
        return found;
    }
}
