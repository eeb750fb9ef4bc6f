using System.Runtime.InteropServices;
using PacketMQ.Fuzz.Targets;
using SharpFuzz;
using SharpFuzz.Common;

namespace PacketMQ.Fuzz;

internal static unsafe class Program
{
    private const string Usage =
        """
        seeds TARGET DIRECTORY            writes the committed seeds as files
        run TARGET FILE|DIRECTORY|HEX ... runs inputs once and says what they cover; exit code 1: one failed
        afl TARGET                        the program for afl-fuzz
        """;

    private const int MaxInputBytes = 1_048_576;

    /// <summary>SharpFuzz counts in one byte for each pair of branches, by a hash of the two.</summary>
    private const int MapBytes = 65_536;

    public static int Main(string[] arguments)
    {
        if (arguments.Length < 2 || FuzzTarget.All.FirstOrDefault(target => target.Name == arguments[1]) is not { } target)
        {
            Console.Error.WriteLine($"{Usage}\ntargets: {string.Join(", ", FuzzTarget.All.Select(target => target.Name))}");
            return 2;
        }

        switch (arguments)
        {
            case ["seeds", _, string directory]:
                SeedCorpus.WriteTo(target.Name, directory);
                return 0;
            case ["run", _, .. string[] inputs]:
                return Replay(target, inputs);
            case ["afl", _]:
                return RunUnderAfl(target);
            default:
                Console.Error.WriteLine(Usage);
                return 2;
        }
    }

    /// <summary>SharpFuzz's fork server, which takes one input after the other in this process.</summary>
    private static int RunUnderAfl(FuzzTarget target)
    {
        byte[] buffer = new byte[MaxInputBytes];
        Fuzzer.Run(stream =>
        {
            int length = stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
            target.Run(buffer.AsMemory(0, length));
        });
        return 0;
    }

    private static int Replay(FuzzTarget target, string[] inputs)
    {
        byte* map = (byte*)NativeMemory.AllocZeroed(MapBytes);
        Trace.SharedMem = map;
        bool[] edges = new bool[MapBytes];
        int failed = 0;
        int count = 0;
        foreach (byte[] input in inputs.SelectMany(Read))
        {
            new Span<byte>(map, MapBytes).Clear();
            Trace.PrevLocation = 0;
            count++;
            try
            {
                target.Run(input);
            }
            catch (Exception e)
            {
                failed++;
                Console.WriteLine($"{target.Name} {Convert.ToHexStringLower(input)}\n{e}\n");
            }

            for (int i = 0; i < edges.Length; i++)
                edges[i] |= map[i] != 0;
        }

        Console.WriteLine($"{target.Name}: {count} inputs, {failed} failed, {edges.Count(hit => hit)} edges");
        return failed == 0 ? 0 : 1;
    }

    private static IEnumerable<byte[]> Read(string input)
    {
        if (Directory.Exists(input))
            return Directory.EnumerateFiles(input, "*", SearchOption.AllDirectories).Where(file => !file.EndsWith(".txt")).Select(File.ReadAllBytes);
        return [File.Exists(input) ? File.ReadAllBytes(input) : Convert.FromHexString(input.Replace(" ", "", StringComparison.Ordinal))];
    }
}
