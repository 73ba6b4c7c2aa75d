package runbook;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.http.HttpResponse.BodySubscriber;
import java.net.http.HttpResponse.ResponseInfo;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;

/** Collects a body up to {@link Http#LARGEST_BODY}, and knows how far it came when the deadline strikes. */
final class BoundedBody implements BodySubscriber<byte[]> {
    /** A body beyond the bound. */
    static final class TooLarge extends IOException {
        private static final long serialVersionUID = 1;
    }

    private final CompletableFuture<byte[]> whole = new CompletableFuture<>();
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private volatile int status;
    private Flow.Subscription subscription;

    /** Called with status and headers, before the body. */
    BodySubscriber<byte[]> begin(ResponseInfo info) {
        status = info.statusCode();
        return this;
    }

    /** The HTTP status; 0 while no answer has begun. */
    int status() {
        return status;
    }

    /** Bytes that came so far. */
    synchronized int size() {
        return bytes.size();
    }

    @Override
    public CompletionStage<byte[]> getBody() {
        return whole;
    }

    @Override
    public void onSubscribe(Flow.Subscription started) {
        subscription = started;
        started.request(Long.MAX_VALUE);
    }

    @Override
    public synchronized void onNext(List<ByteBuffer> buffers) {
        if (whole.isDone()) {
            // What was under way when the rest was cancelled.
            return;
        }
        for (ByteBuffer buffer : buffers) {
            byte[] chunk = new byte[buffer.remaining()];
            buffer.get(chunk);
            bytes.writeBytes(chunk);
        }
        if (bytes.size() > Http.LARGEST_BODY) {
            subscription.cancel();
            whole.completeExceptionally(new TooLarge());
        }
    }

    @Override
    public void onError(Throwable thrown) {
        whole.completeExceptionally(thrown);
    }

    @Override
    public synchronized void onComplete() {
        whole.complete(bytes.toByteArray());
    }
}
