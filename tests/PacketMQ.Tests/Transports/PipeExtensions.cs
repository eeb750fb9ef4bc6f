using System.Buffers;
using System.IO.Pipelines;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Transports;

/// <summary>Short words for what the transport tests do all the time.</summary>
internal static class PipeExtensions
{
    public static Task Soon(this Task task) => task.WaitAsync(Bounded.Limit, TestContext.Current.CancellationToken);

    public static Task<T> Soon<T>(this Task<T> task) => task.WaitAsync(Bounded.Limit, TestContext.Current.CancellationToken);

    public static Task Soon(this ValueTask task) => task.AsTask().Soon();

    public static Task<T> Soon<T>(this ValueTask<T> task) => task.AsTask().Soon();

    public static async Task<byte[]> ReadToEndAsync(this PipeReader reader)
    {
        while (true)
        {
            ReadResult result = await reader.ReadAsync();
            if (result.IsCompleted)
            {
                byte[] bytes = result.Buffer.ToArray();
                reader.AdvanceTo(result.Buffer.End);
                return bytes;
            }

            reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }
    }

    public static async Task<byte[]> ReadExactlyAsync(this PipeReader reader, int count)
    {
        ReadResult result = await reader.ReadAtLeastAsync(count);
        byte[] bytes = result.Buffer.Slice(0, count).ToArray();
        reader.AdvanceTo(result.Buffer.GetPosition(count));
        return bytes;
    }

    /// <summary>Writes the pattern until the transport takes no more: the write that waits, and the length of all writes with it.</summary>
    public static async Task<(Task Pending, long Written)> WriteUntilPendingAsync(this PipeWriter writer)
    {
        // More than a system's buffers take at once: a smaller write may wait for a moment only, until the kernel has turned it over.
        const int Chunk = 16 * 1024 * 1024;
        for (int position = 0; position < 16 * Chunk; position += Chunk)
        {
            Task write = writer.WriteAsync(Pattern.Bytes(position, Chunk)).AsTask();
            if (!write.IsCompleted)
                return (write, position + Chunk);
            await write;
        }

        throw new InvalidOperationException("No back-pressure.");
    }
}
