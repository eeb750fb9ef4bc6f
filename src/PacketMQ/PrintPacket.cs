using PacketMQ.Dispatch;
using PacketMQ.Serialization;

namespace PacketMQ;

/// <summary>Prints each packet that arrives as a line: the connection's id and the value, with whatever could control a terminal escaped.</summary>
public class PrintPacket : Packet
{
    private readonly TextWriter _output;

    /// <summary>Makes the packet.</summary>
    /// <param name="output">Where to print; by default standard output. Lines of several connections do not mix.</param>
    public PrintPacket(TextWriter? output = null) => _output = Printer.Synchronized(output);

    /// <inheritdoc/>
    protected internal override ValueTask OnReceiveAsync(object? data, PacketContext context)
    {
        _output.WriteLine($"[{context.Connection.Id}] {ValueFormatter.Format(data)}");
        return default;
    }
}
