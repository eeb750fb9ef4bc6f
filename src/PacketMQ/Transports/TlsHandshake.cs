using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace PacketMQ.Transports;

/// <summary>One side of a TLS handshake: what is offered and asked for, and what is made of its failure.</summary>
/// <param name="credentials">What the peer has set; shared by its connections.</param>
/// <param name="targetHost">The name that a server must prove. Null: this side is the server.</param>
internal sealed class TlsHandshake(TlsCredentials credentials, string? targetHost)
{
    private static readonly SslApplicationProtocol Protocol = new("packetmq/1");
    private static readonly Oid ServerUsage = new("1.3.6.1.5.5.7.3.1");
    private static readonly Oid ClientUsage = new("1.3.6.1.5.5.7.3.2");

    private bool _hasReadHello;
    private bool _isAccepted;
    private string? _refusal;
    private Exception? _callbackFailure;

    /// <summary>What came of it; null before it is through.</summary>
    public TlsDetails? Details { get; private set; }

    /// <summary>Runs it, once.</summary>
    /// <returns>Why it failed: a <see cref="TlsFault"/>, or an error of the stream; null if it is through.</returns>
    public async Task<IOException?> RunAsync(SslStream ssl, SocketStream stream)
    {
        var turn = new TlsTurn(credentials.Threads);
        IOException? failure = null;
        try
        {
            // A server computes nothing before the client has said something: silence needs no turn, nor does its end.
            if (targetHost is null)
                await stream.ReadAsync(Memory<byte>.Empty).ConfigureAwait(false);
            stream.Turn = turn;
            await turn.BeginAsync().ConfigureAwait(false);
            if (targetHost is null)
                await ssl.AuthenticateAsServerAsync(ChooseServerOptionsAsync, null).ConfigureAwait(false);
            else
                await ssl.AuthenticateAsClientAsync(ClientOptions(targetHost)).ConfigureAwait(false);
            Details = Check(ssl);
        }
        catch (Exception exception)
        {
            failure = ExplainHandshake(exception, stream);
        }
        finally
        {
            turn.End();
            stream.Turn = null;
            await Task.Yield(); // to the thread pool, where all the rest of the connection runs
        }

        return failure;
    }

    /// <summary>Puts the failure of an SslStream into words.</summary>
    public static TlsFault Explain(Exception exception, SocketStream stream)
    {
        // A TLS record of a handshake or an alert, version 3.x: anything else was never meant to be TLS.
        bool isTls = stream.FirstCount < 2 || ((stream.FirstBytes >> 24) is 0x15 or 0x16 && ((stream.FirstBytes >> 16) & 0xff) == 0x03);
        if (!isTls)
            return new TlsFault(TlsFaultKind.NotTls, "The other side does not speak TLS here.", exception) { FirstBytes = stream.FirstBytes };
        if (TlsAlert.Find(exception) is { } alert)
            return TlsAlert.ToFault(alert, exception);
        if (stream.HasEnded)
            return new TlsFault(TlsFaultKind.Failed, "The other side ended the stream in the TLS handshake.", exception) { IsRemote = true };
        Exception cause = exception;
        while (cause.InnerException is { } inner)
            cause = inner;
        return new TlsFault(TlsFaultKind.Failed, $"TLS failed: {PrintableText.Escape(cause.Message)}", exception);
    }

    private IOException ExplainHandshake(Exception exception, SocketStream stream)
    {
        if (exception is TlsFault known)
            return known;
        if (stream.HasFailed || stream.HasFailedToWrite)
        {
            return targetHost is not null && stream.FirstCount == 0
                ? new IOException($"{exception.Message} The other side had not answered in TLS; perhaps it does not speak TLS there.", exception)
                : exception as IOException ?? new IOException(exception.Message, exception);
        }

        if (_callbackFailure is not null)
            return CallbackFailed(_callbackFailure, canBeTold: false);
        TlsFault fault = Explain(exception, stream);
        // SslStream then goes on without a certificate, and finds fault with that.
        return targetHost is null && !_hasReadHello && fault is { Kind: TlsFaultKind.Failed, IsRemote: false }
            ? new TlsFault(TlsFaultKind.Failed, "The other side did not begin TLS with a hello that can be read.", exception)
            : fault;
    }

    private ValueTask<SslServerAuthenticationOptions> ChooseServerOptionsAsync(
        SslStream ssl, SslClientHelloInfo hello, object? state, CancellationToken cancellationToken)
    {
        _hasReadHello = true;
        TlsCertificate? certificate;
        try
        {
            certificate = credentials.CertificateFor(hello.ServerName);
        }
        catch (Exception exception)
        {
            _callbackFailure = exception;
            throw;
        }

        if (certificate is null)
        {
            throw new TlsFault(
                TlsFaultKind.Failed, $"There is no certificate for the name '{PrintableText.Escape(hello.ServerName)}' that the client asks for.");
        }

        return new(new SslServerAuthenticationOptions
        {
            ServerCertificateContext = certificate.Context,
            ClientCertificateRequired = credentials.RequiresClientCertificate,
            CertificateChainPolicy = credentials.CreateChainPolicy(ClientUsage),
            RemoteCertificateValidationCallback = Validate,
            ApplicationProtocols = [Protocol],
            AllowRenegotiation = false,
            AllowTlsResume = false,
        });
    }

    private SslClientAuthenticationOptions ClientOptions(string name) => new()
    {
        TargetHost = name,
        ClientCertificateContext = credentials.CertificateFor(null)?.Context,
        CertificateChainPolicy = credentials.CreateChainPolicy(ServerUsage),
        RemoteCertificateValidationCallback = Validate,
        ApplicationProtocols = [Protocol],
        AllowRenegotiation = false,
        AllowTlsResume = false,
    };

    // Only takes the judgement down. A refusal in here would be an end without a word: SslStream sends no alert on every platform, and in
    // TLS 1.3 the other side has got through by now. So Check refuses it behind the handshake, where the reason can be told.
    private bool Validate(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        try
        {
            _refusal = CertificateCheck.FindFault((X509Certificate2?)certificate, chain, errors, targetHost);
            if (_refusal is null && !credentials.Accepts((X509Certificate2)certificate!))
                _refusal = $"{CertificateCheck.Describe((X509Certificate2)certificate!)} was refused by {nameof(TlsOptions.ValidateCertificate)}.";
            _isAccepted = _refusal is null;
        }
        catch (Exception exception)
        {
            _callbackFailure = exception;
        }

        return true;
    }

    private static TlsFault CallbackFailed(Exception exception, bool canBeTold)
        => new(TlsFaultKind.Failed, "A callback of the TLS options threw.", exception) { CanBeTold = canBeTold };

    // The one place that lets a connection pass.
    private TlsDetails Check(SslStream ssl)
    {
        bool needsCertificate = targetHost is not null || credentials.RequiresClientCertificate;
        if (_callbackFailure is not null)
            throw CallbackFailed(_callbackFailure, canBeTold: true);
        if (needsCertificate && (!_isAccepted || ssl.RemoteCertificate is null))
            throw new TlsFault(TlsFaultKind.Certificate, _refusal ?? "The other side presented no certificate.") { CanBeTold = true };
#pragma warning disable CS0618, SYSLIB0039 // the old versions are named in order to refuse them
        if (ssl.SslProtocol is SslProtocols.None or SslProtocols.Ssl2 or SslProtocols.Ssl3 or SslProtocols.Tls or SslProtocols.Tls11)
            throw new TlsFault(TlsFaultKind.Failed, $"The TLS version {ssl.SslProtocol} is too old; it must be 1.2 or higher.");
#pragma warning restore CS0618, SYSLIB0039
        if (!ssl.NegotiatedApplicationProtocol.Protocol.IsEmpty && ssl.NegotiatedApplicationProtocol != Protocol)
        {
            throw new TlsFault(
                TlsFaultKind.Failed, $"The other side chose the protocol '{PrintableText.Escape(ssl.NegotiatedApplicationProtocol.ToString())}', which was not offered.");
        }

        return new TlsDetails(
            ssl.SslProtocol,
            ssl.NegotiatedCipherSuite,
            needsCertificate ? X509CertificateLoader.LoadCertificate(ssl.RemoteCertificate!.GetRawCertData()) : null,
            targetHost ?? ssl.TargetHostName);
    }
}
