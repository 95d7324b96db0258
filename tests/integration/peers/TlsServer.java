// SPDX-License-Identifier: BSD-2-Clause

import java.io.*;
import java.net.InetAddress;
import java.security.KeyStore;
import java.util.Arrays;
import javax.net.ssl.*;

/** JSSE as a server: TlsServer PORT SUITE PKCS12; a megabyte for each request. */
class TlsServer {
	static void serve(SSLSocket s) {
		byte[] body = new byte[1 << 20];
		Arrays.fill(body, (byte)'j');
		try (s) {
			BufferedReader in = new BufferedReader(
			    new InputStreamReader(s.getInputStream()));
			OutputStream out = s.getOutputStream();
			for (String line; (line = in.readLine()) != null; ) {
				if (!line.isEmpty())
					continue;
				out.write(("HTTP/1.1 200 OK\r\nContent-Length: " +
				    body.length + "\r\n\r\n").getBytes());
				out.write(body);
				out.flush();
			}
		} catch (IOException e) {
			System.err.println(e);
		}
	}

	public static void main(String[] args) throws Exception {
		char[] password = "secret".toCharArray();
		KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
		keys.init(KeyStore.getInstance(new File(args[2]), password), password);
		SSLContext ctx = SSLContext.getInstance("TLSv1.3");
		ctx.init(keys.getKeyManagers(), null, null);
		SSLServerSocket l = (SSLServerSocket)ctx.getServerSocketFactory()
		    .createServerSocket(Integer.parseInt(args[0]), 50,
		    InetAddress.getLoopbackAddress());
		l.setEnabledProtocols(new String[] { "TLSv1.3" });
		l.setEnabledCipherSuites(new String[] { args[1] });
		for (;;) {
			SSLSocket s = (SSLSocket)l.accept();
			new Thread(() -> serve(s)).start();
		}
	}
}
