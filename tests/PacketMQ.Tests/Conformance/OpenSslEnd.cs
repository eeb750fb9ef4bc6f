using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography.X509Certificates;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Conformance;

/// <summary>
/// One end of TLS straight from OpenSSL, for what an SslStream can't be made to do: a client that asks for a new handshake or for new keys, a
/// server that chooses a protocol which nobody offered. Linux only, where it is the library that SslStream itself needs.
/// </summary>
internal sealed class OpenSslEnd : IDisposable
{
    private const string Library = "libssl.so.3";
    private const string Primitives = "libcrypto.so.3";
    private const int SetHighestVersion = 124;
    private const int Tls12 = 0x0303;
    private const int Tls13 = 0x0304;
    private const int Requested = 1;
    private const int EllipticKey = 408;
    private const int WantsToRead = 2;

    private readonly Socket _socket;
    private readonly byte[] _buffer = new byte[16 * 1024];
    private readonly byte[] _plain = new byte[16 * 1024];
    private readonly ChooseProtocol? _choose; // OpenSSL holds on to it
    private readonly IntPtr _protocol;
    private readonly IntPtr _context;
    private readonly IntPtr _ssl;
    private readonly IntPtr _input;
    private readonly IntPtr _output;

    /// <param name="socket">The connection, on which nothing has been said.</param>
    /// <param name="certificate">A server's. Null: this end is a client, which looks at no certificate.</param>
    /// <param name="protocol">What a server chooses, whatever is offered.</param>
    /// <param name="isTls13">Whether it may speak TLS 1.3; otherwise 1.2 is its highest.</param>
    public OpenSslEnd(Socket socket, X509Certificate2? certificate = null, byte[]? protocol = null, bool isTls13 = false)
    {
        _socket = socket;
        _context = SSL_CTX_new(certificate is null ? TLS_client_method() : TLS_server_method());
        SSL_CTX_ctrl(_context, SetHighestVersion, isTls13 ? Tls13 : Tls12, IntPtr.Zero);
        if (certificate is not null)
        {
            byte[] key = certificate.GetECDsaPrivateKey()!.ExportECPrivateKey();
            Assert.Equal(1, SSL_CTX_use_certificate_ASN1(_context, certificate.RawData.Length, certificate.RawData));
            Assert.Equal(1, SSL_CTX_use_PrivateKey_ASN1(EllipticKey, _context, key, key.Length));
        }

        if (protocol is not null)
        {
            _protocol = Marshal.AllocHGlobal(protocol.Length);
            Marshal.Copy(protocol, 0, _protocol, protocol.Length);
            _choose = (IntPtr _, out IntPtr chosen, out byte length, IntPtr _, uint _, IntPtr _) =>
            {
                (chosen, length) = (_protocol, (byte)protocol.Length);
                return 0;
            };
            SSL_CTX_set_alpn_select_cb(_context, _choose, IntPtr.Zero);
        }

        _ssl = SSL_new(_context);
        (_input, _output) = (BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_bio(_ssl, _input, _output);
        if (certificate is null)
            SSL_set_connect_state(_ssl);
        else
            SSL_set_accept_state(_ssl);
    }

    private delegate int ChooseProtocol(IntPtr ssl, out IntPtr chosen, out byte length, IntPtr offered, uint offeredLength, IntPtr argument);

    public Task ShakeHandsAsync() => RunAsync(() => SSL_do_handshake(_ssl));

    public Task WriteAsync(byte[] bytes) => RunAsync(() => SSL_write(_ssl, bytes, bytes.Length));

    public async Task<byte[]> ReadAsync(int count)
    {
        byte[] bytes = new byte[count];
        Assert.Equal(count, await RunAsync(() => SSL_read(_ssl, bytes, count)));
        return bytes;
    }

    /// <summary>Takes new keys, and asks the other side for new ones too: a record without data.</summary>
    public Task RenewKeysAsync()
    {
        Assert.Equal(1, SSL_key_update(_ssl, Requested));
        return ShakeHandsAsync();
    }

    /// <summary>
    /// Asks for a new handshake, and reads what comes until there is an answer. The failure; null: the new handshake is through.
    /// </summary>
    public async Task<string?> RenegotiateAsync()
    {
        Assert.Equal(1, SSL_renegotiate(_ssl));
        try
        {
            while (SSL_renegotiate_pending(_ssl) != 0)
                await RunAsync(() => SSL_read(_ssl, _plain, _plain.Length));
            return null;
        }
        catch (Exception exception) when (exception is IOException or SocketException or ObjectDisposedException)
        {
            return exception.Message;
        }
    }

    public void Dispose()
    {
        SSL_free(_ssl); // and its input and output
        SSL_CTX_free(_context);
        Marshal.FreeHGlobal(_protocol);
        GC.KeepAlive(_choose);
    }

    private async Task<int> RunAsync(Func<int> call)
    {
        while (true)
        {
            ERR_clear_error();
            int result = call();
            int error = SSL_get_error(_ssl, result);
            for (int written; (written = BIO_read(_output, _buffer, _buffer.Length)) > 0;)
                await _socket.SendAsync(_buffer.AsMemory(0, written)).Soon();
            if (result > 0)
                return result;
            if (error != WantsToRead)
                throw new IOException($"TLS failed: {error}.");
            int read = await _socket.ReceiveAsync(_buffer).Soon();
            if (read == 0)
                throw new IOException("The other side has ended the stream.");
            BIO_write(_input, _buffer, read);
        }
    }

#pragma warning disable SYSLIB1054, CA2101 // generated code would need unsafe blocks
    [DllImport(Library)]
    private static extern IntPtr TLS_client_method();

    [DllImport(Library)]
    private static extern IntPtr TLS_server_method();

    [DllImport(Library)]
    private static extern IntPtr SSL_CTX_new(IntPtr method);

    [DllImport(Library)]
    private static extern void SSL_CTX_free(IntPtr context);

    [DllImport(Library)]
    private static extern nint SSL_CTX_ctrl(IntPtr context, int command, nint number, IntPtr pointer);

    [DllImport(Library)]
    private static extern int SSL_CTX_use_certificate_ASN1(IntPtr context, int length, byte[] certificate);

    [DllImport(Library)]
    private static extern int SSL_CTX_use_PrivateKey_ASN1(int type, IntPtr context, byte[] key, nint length);

    [DllImport(Library)]
    private static extern void SSL_CTX_set_alpn_select_cb(IntPtr context, ChooseProtocol choose, IntPtr argument);

    [DllImport(Library)]
    private static extern IntPtr SSL_new(IntPtr context);

    [DllImport(Library)]
    private static extern void SSL_free(IntPtr ssl);

    [DllImport(Library)]
    private static extern void SSL_set_bio(IntPtr ssl, IntPtr input, IntPtr output);

    [DllImport(Library)]
    private static extern void SSL_set_connect_state(IntPtr ssl);

    [DllImport(Library)]
    private static extern void SSL_set_accept_state(IntPtr ssl);

    [DllImport(Library)]
    private static extern int SSL_do_handshake(IntPtr ssl);

    [DllImport(Library)]
    private static extern int SSL_key_update(IntPtr ssl, int kind);

    [DllImport(Library)]
    private static extern int SSL_renegotiate(IntPtr ssl);

    [DllImport(Library)]
    private static extern int SSL_renegotiate_pending(IntPtr ssl);

    [DllImport(Library)]
    private static extern int SSL_read(IntPtr ssl, byte[] buffer, int count);

    [DllImport(Library)]
    private static extern int SSL_write(IntPtr ssl, byte[] buffer, int count);

    [DllImport(Library)]
    private static extern int SSL_get_error(IntPtr ssl, int result);

    [DllImport(Primitives)]
    private static extern IntPtr BIO_s_mem();

    [DllImport(Primitives)]
    private static extern IntPtr BIO_new(IntPtr method);

    [DllImport(Primitives)]
    private static extern int BIO_read(IntPtr bio, byte[] buffer, int count);

    [DllImport(Primitives)]
    private static extern int BIO_write(IntPtr bio, byte[] buffer, int count);

    [DllImport(Primitives)]
    private static extern void ERR_clear_error();
#pragma warning restore SYSLIB1054, CA2101
}
