package runbook.redact;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.Charset;
import java.nio.charset.CharsetEncoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.zip.GZIPInputStream;

/** A stream as the text it holds: gzip unpacked, UTF-16 turned into UTF-8. What cannot be read as text is refused. */
public final class PlainInput {
    private static final int LOOK = 4_096;
    private static final int DEEPEST = 3;

    private record Magic(String name, int... bytes) { }

    private static final List<Magic> UNREADABLE = List.of(
            new Magic("xz", 0xfd, '7', 'z', 'X', 'Z'),
            new Magic("zstd", 0x28, 0xb5, 0x2f, 0xfd),
            new Magic("bzip2", 'B', 'Z', 'h'),
            new Magic("zip", 'P', 'K', 3, 4),
            new Magic("7z", '7', 'z', 0xbc, 0xaf),
            new Magic("lz4", 4, 0x22, 0x4d, 0x18));

    private PlainInput() { }

    /** Content that is no text, and so cannot be judged. */
    public static final class NotText extends IOException {
        NotText(String message) {
            super(message);
        }
    }

    /**
     * The text in this stream.
     *
     * @throws NotText when it is binary, or packed in a way that Java cannot unpack
     */
    public static InputStream of(InputStream raw) throws IOException {
        return of(raw, 0);
    }

    private static InputStream of(InputStream raw, int depth) throws IOException {
        BufferedInputStream input = new BufferedInputStream(raw, 1 << 16);
        input.mark(LOOK);
        byte[] head = input.readNBytes(LOOK);
        input.reset();
        if (starts(head, 0x1f, 0x8b)) {
            if (depth == DEEPEST) {
                throw new NotText("gzip inside gzip inside gzip");
            }
            return of(new GZIPInputStream(input, 1 << 16), depth + 1);
        }
        for (Magic magic : UNREADABLE) {
            if (starts(head, magic.bytes)) {
                throw new NotText("packed with " + magic.name + ": unpack it first");
            }
        }
        Charset wide = wide(head);
        if (wide != null) {
            return new Narrowed(new InputStreamReader(input, wide));
        }
        if (binary(head)) {
            throw new NotText("binary data, which cannot be redacted");
        }
        return input;
    }

    private static boolean starts(byte[] head, int... magic) {
        for (int i = 0; i < magic.length; i++) {
            if (i >= head.length || (head[i] & 0xff) != magic[i]) {
                return false;
            }
        }
        return true;
    }

    private static Charset wide(byte[] head) {
        if (starts(head, 0xff, 0xfe) || starts(head, 0xfe, 0xff)) {
            return StandardCharsets.UTF_16;
        }
        int[] zeroes = new int[2];
        for (int i = 0; i < head.length; i++) {
            zeroes[i % 2] += head[i] == 0 ? 1 : 0;
        }
        // Text in a western language has a zero in nearly every second byte, and always on the same side.
        int many = Math.max(4, head.length / 5);
        return zeroes[1] >= many && zeroes[0] < many / 8 + 1 ? StandardCharsets.UTF_16LE
                : zeroes[0] >= many && zeroes[1] < many / 8 + 1 ? StandardCharsets.UTF_16BE : null;
    }

    private static boolean binary(byte[] head) {
        int odd = 0;
        for (byte b : head) {
            odd += b >= 0 && b < ' ' && "\t\n\r\f\b\u001b".indexOf(b) < 0 ? 1 : 0;
        }
        return odd > Math.max(2, head.length / 10);
    }

    /** Characters as UTF-8 bytes; what has no character becomes a question mark. */
    private static final class Narrowed extends InputStream {
        private final Reader reader;
        private final CharsetEncoder encoder = StandardCharsets.UTF_8.newEncoder().onMalformedInput(CodingErrorAction.REPLACE);
        private final CharBuffer chars = CharBuffer.allocate(8_192).flip();
        private final ByteBuffer bytes = ByteBuffer.allocate(32_768).flip();

        Narrowed(Reader reader) {
            this.reader = reader;
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] target, int offset, int length) throws IOException {
            while (!bytes.hasRemaining()) {
                chars.compact();
                boolean ended = reader.read(chars) < 0;
                chars.flip();
                if (ended && !chars.hasRemaining()) {
                    return -1;
                }
                bytes.clear();
                encoder.encode(chars, bytes, ended);
                bytes.flip();
                if (ended && !bytes.hasRemaining()) {
                    return -1;
                }
            }
            int count = Math.min(length, bytes.remaining());
            bytes.get(target, offset, count);
            return count;
        }

        @Override
        public void close() throws IOException {
            reader.close();
        }
    }
}
