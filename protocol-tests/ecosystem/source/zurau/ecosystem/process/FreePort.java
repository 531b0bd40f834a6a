package zurau.ecosystem.process;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;

/** For programs that cannot say which port they took. */
public final class FreePort {
    private FreePort() {
    }

    /** A port that was free a moment ago. */
    public static int find() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }
}
