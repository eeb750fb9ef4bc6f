using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace PacketMQ.Tool;

/// <summary>Reads the PEM files of the command line; what is wrong with one becomes a sentence that names it.</summary>
internal static class PemFiles
{
    public static TlsCertificate ReadCertificate(string certificateFile, string keyFile)
        => Read($"{certificateFile} with the key {keyFile}", () => TlsCertificate.FromPemFiles(certificateFile, keyFile));

    public static X509Certificate2Collection ReadRoots(string file) => Read(file, () =>
    {
        var roots = new X509Certificate2Collection();
        roots.ImportFromPemFile(file);
        return roots.Count > 0 ? roots : throw new CryptographicException("There is no certificate in it.");
    });

    private static T Read<T>(string what, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            throw new CommandException(ExitCode.Usage, $"The certificate {what} can't be used: {exception.Message.TrimEnd('.')}.");
        }
    }
}
