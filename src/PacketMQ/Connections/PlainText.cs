using System.Net;
using Microsoft.Extensions.Logging;

namespace PacketMQ.Connections;

/// <summary>Says once for each peer that others on the network can read and change what it sends and receives.</summary>
internal sealed class PlainText(PeerOptions options, ILogger logger)
{
    private int _wasTold;

    /// <summary>A server begins to listen there.</summary>
    public void Listens(EndPoint endPoint)
    {
        if (IsNews(endPoint))
            ConnectionLog.ListensInPlainText(logger, endPoint);
    }

    /// <summary>A client has reached a server there.</summary>
    public void Connects(EndPoint? endPoint)
    {
        if (IsNews(endPoint))
            ConnectionLog.ConnectsInPlainText(logger, endPoint);
    }

    /// <summary>Whether what goes there leaves this machine, or may be sent from elsewhere.</summary>
    public static bool LeavesTheMachine(EndPoint? endPoint) => endPoint is IPEndPoint { Address: var address } && !IPAddress.IsLoopback(address);

    private bool IsNews(EndPoint? endPoint)
        => options.Tls is null && LeavesTheMachine(endPoint) && Interlocked.Exchange(ref _wasTold, 1) == 0;
}
