using System.Net;
using System.Net.Sockets;

namespace PacketMQ.Transports;

/// <summary>The file that a Unix domain socket is bound to, which outlives a process that dies without a farewell.</summary>
internal static class UnixSocketFile
{
    /// <summary>
    /// Removes the file if it is a socket that nobody listens on. Two processes that start at the same moment may both find the
    /// same stale file; the later one then takes the address.
    /// </summary>
    public static void RemoveIfStale(UnixDomainSocketEndPoint endPoint)
    {
        string path = endPoint.ToString();
        // An abstract name ("@...") has no file.
        if (!File.Exists(path) || !IsSocket(path))
            return;
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        probe.Blocking = false; // who listens there may never accept, and with a full backlog would keep us waiting for ever
        try
        {
            probe.Connect(endPoint);
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.ConnectionRefused)
        {
            File.Delete(path);
        }
        catch (SocketException)
        {
            // Not ours to judge (no permission, a full backlog): binding will say what is wrong.
        }
    }

    /// <summary>The whole path of the file; null: an abstract name, which has none.</summary>
    public static string? PathOf(UnixDomainSocketEndPoint endPoint)
    {
        const int PathOffset = 2;
        SocketAddress address = endPoint.Serialize();
        return address.Size > PathOffset && address[PathOffset] != 0 ? Path.GetFullPath(endPoint.ToString()) : null;
    }

    /// <summary>Removes the file of a listener that stops, if it can be done.</summary>
    public static void Remove(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // It is found to be stale by whoever listens there next.
        }
    }

    /// <summary>
    /// A refused connect alone does not tell a dead socket from somebody's document, so ask for what only a socket refuses: to be
    /// opened. Both directions are asked for because that can't block on a named pipe.
    /// </summary>
    private static bool IsSocket(string path)
    {
        try
        {
            using var handle = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            return false;
        }
        catch (Exception exception) when (exception is UnauthorizedAccessException or FileNotFoundException)
        {
            return false;
        }
        catch (IOException)
        {
            return true;
        }
    }
}
