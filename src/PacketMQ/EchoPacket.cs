using System.Buffers;
using PacketMQ.Dispatch;
using PacketMQ.Serialization;

namespace PacketMQ;

/// <summary>Sends the payload of each packet that arrives back under another packet, byte for byte as it came, and prints it.</summary>
public sealed class EchoPacket : Packet
{
    private readonly PacketKey _replyAs;
    private readonly TextWriter _output;

    /// <summary>Makes the packet.</summary>
    /// <param name="replyAs">The packet under which the payload goes back: its name, id or object.</param>
    /// <param name="output">Where <c>Received EchoPacket: …</c> is printed; by default standard output. <see cref="TextWriter.Null"/> silences it.</param>
    public EchoPacket(PacketKey replyAs, TextWriter? output = null)
    {
        _replyAs = replyAs;
        _output = Printer.Synchronized(output);
    }

    internal override ValueTask ReceiveAsync(in ReadOnlySequence<byte> payload, bool hasBinaryKeys, PacketContext context)
    {
        _output.WriteLine($"Received EchoPacket: {Show(payload, context)}");
        return context.Connection.SendPayloadAsync(_replyAs, payload);
    }

    internal override ValueTask ReceiveDecodedAsync(object? data, PacketContext context)
    {
        _output.WriteLine($"Received EchoPacket: {ValueFormatter.Format(data)}");
        return context.ReplyAsync(_replyAs, data);
    }

    // What goes back is the bytes, so a value that .NET has no dynamic data for (Python's None or tuples as keys) is no reason to refuse it,
    // nor is one that takes more than PeerOptions.MaxDynamicExpansion allows.
    private string Show(in ReadOnlySequence<byte> payload, PacketContext context)
    {
        try
        {
            return ValueFormatter.Format(Decode(payload, context));
        }
        catch (PayloadException exception) when (exception.Reason == CloseReason.TypeMismatch)
        {
            return $"a value that can't be shown: {exception.Message}";
        }
        catch (PayloadException exception) when (exception.Reason == CloseReason.TooManyItems)
        {
            return $"a value of {payload.Length} bytes that takes too much memory to be shown";
        }
    }
}
