/* downconvert: the Python side. */

#include "binding.h"
#include "downconvert.h"

static const char downconverter_doc[] =
    "DownConverter(rate_hz, mics, carriers_hz, *, instruction_set='auto')\n--\n\n"
    "Interleaved int32 PCM to complex baseband at 2400 Hz around one to four carriers.\n\n"
    "A real sine of amplitude A (full scale 1.0) at a carrier gives |iq| = A. Within +-900 Hz of the carrier\n"
    "the gain is flat to 0.1 dB; from +-1100 Hz on everything is at least 80 dB down. The output does not\n"
    "depend on how the input is cut into blocks.\n\n"
    "Args:\n"
    "    rate_hz: 384000, 192000 or 96000.\n"
    "    mics: 1 to 8.\n"
    "    carriers_hz: 1 to 4 floats from 30000 to 15/32 of the rate.\n"
    "    instruction_set: 'generic', 'avx2', 'neon', or 'auto' for the fastest that this processor has.\n\n"
    "Raises:\n"
    "    ValueError: an argument is out of range, or this processor lacks the instruction set.\n"
    "    RuntimeError: a method was called while another thread is in one.";

static const char downconverter_process_into_doc[] =
    "process_into($self, /, samples, iq)\n--\n\n"
    "Consume `samples` int32 [frames, mics]; fill `iq` complex64 [carriers, mics, n] and return n, which is\n"
    "output_samples(frames). Both C-contiguous. After an exception nothing was consumed.\n\n"
    "Raises:\n"
    "    TypeError: the type of a buffer is another one.\n"
    "    ValueError: the shape or memory layout is another one.";

static const char downconverter_output_samples_doc[] =
    "output_samples($self, /, frames)\n--\n\n"
    "How many baseband samples the next `frames` frames will give.";

static const char downconverter_reset_doc[] =
    "reset($self, /, first_frame=0)\n--\n\n"
    "Forget all samples. The next frame is number `first_frame` of the stream, which fixes the phase, so it\n"
    "goes on over a gap.";

static void downconverter_destroy(void *core)
{
    pp_downconverter_destroy(core);
}

static PyObject *downconverter_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"rate_hz", "mics", "carriers_hz", "instruction_set", NULL};
    pp_downconverter_spec spec = {0};
    PyObject *carriers = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "iiO|$s:DownConverter", names, &spec.rate_hz, &spec.mics, &carriers,
                                     &spec.instruction_set)) {
        return NULL;
    }
    const Py_ssize_t count = pp_take_carriers(carriers, spec.carriers_hz);
    if (count < 0) {
        return NULL;
    }
    spec.carriers = (int)count;
    char reason[PP_REASON_BYTES];
    return pp_wrap(type, pp_downconverter_create(&spec, reason), downconverter_destroy, reason);
}

static void downconverter_dealloc(PyObject *self)
{
    pp_unwrap(self, downconverter_destroy);
}

static PyObject *downconverter_reset(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"first_frame", NULL};
    long long first_frame = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|L:reset", names, &first_frame)) {
        return NULL;
    }
    if (first_frame < 0) {
        return PyErr_Format(PyExc_ValueError, "first_frame: wanted 0 or more, got %lld", first_frame);
    }
    if (!pp_enter(self)) {
        return NULL;
    }
    pp_downconverter_reset(pp_core(self), first_frame);
    pp_leave(self);
    Py_RETURN_NONE;
}

static PyObject *downconverter_output_samples(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"frames", NULL};
    Py_ssize_t frames = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "n:output_samples", names, &frames)) {
        return NULL;
    }
    if (frames < 0) {
        return PyErr_Format(PyExc_ValueError, "frames: wanted 0 or more, got %zd", frames);
    }
    if (!pp_enter(self)) {
        return NULL;
    }
    const size_t samples = pp_downconverter_output_samples(pp_core(self), (size_t)frames);
    pp_leave(self);
    return PyLong_FromSize_t(samples);
}

static bool downconvert(pp_downconverter *core, PyObject *pcm_object, PyObject *iq_object, size_t *samples)
{
    const Py_ssize_t mics = (Py_ssize_t)pp_downconverter_mics(core);
    const pp_buffer_wish pcm_wish = {"samples", "int32", "i l", 4, 4, 2, {PP_ANY, mics}, false};
    Py_buffer pcm;
    if (!pp_take(pcm_object, &pcm_wish, &pcm)) {
        return false;
    }
    const size_t frames = (size_t)pcm.shape[0];
    *samples = pp_downconverter_output_samples(core, frames);
    const Py_ssize_t carriers = (Py_ssize_t)pp_downconverter_carriers(core);
    const pp_buffer_wish iq_wish = {"iq", "complex64", "Zf", 8, 4, 3, {carriers, mics, (Py_ssize_t)*samples}, true};
    Py_buffer iq;
    if (!pp_take(iq_object, &iq_wish, &iq)) {
        PyBuffer_Release(&pcm);
        return false;
    }
    Py_BEGIN_ALLOW_THREADS
    pp_downconverter_execute(core, pcm.buf, frames, iq.buf, *samples);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&iq);
    PyBuffer_Release(&pcm);
    return true;
}

static PyObject *downconverter_process_into(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"samples", "iq", NULL};
    PyObject *pcm = NULL;
    PyObject *iq = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:process_into", names, &pcm, &iq) || !pp_enter(self)) {
        return NULL;
    }
    size_t samples = 0;
    const bool done = downconvert(pp_core(self), pcm, iq, &samples);
    pp_leave(self);
    return done ? PyLong_FromSize_t(samples) : NULL;
}

static PyObject *downconverter_output_rate_hz(PyObject *self, void *closure)
{
    (void)self;
    (void)closure;
    return PyFloat_FromDouble(PP_BASEBAND_HZ);
}

static PyObject *downconverter_group_delay_frames(PyObject *self, void *closure)
{
    (void)closure;
    /* Fixed by create, so no need to pp_enter. */
    return PyFloat_FromDouble(pp_downconverter_group_delay_frames(pp_core(self)));
}

static PyObject *downconverter_instruction_set(PyObject *self, void *closure)
{
    (void)closure;
    return PyUnicode_FromString(pp_downconverter_instruction_set(pp_core(self)));
}

static PyMethodDef downconverter_methods[] = {
    {"process_into", (PyCFunction)(void (*)(void))downconverter_process_into, METH_VARARGS | METH_KEYWORDS,
     downconverter_process_into_doc},
    {"output_samples", (PyCFunction)(void (*)(void))downconverter_output_samples, METH_VARARGS | METH_KEYWORDS,
     downconverter_output_samples_doc},
    {"reset", (PyCFunction)(void (*)(void))downconverter_reset, METH_VARARGS | METH_KEYWORDS, downconverter_reset_doc},
    {0},
};

static PyGetSetDef downconverter_properties[] = {
    {"output_rate_hz", downconverter_output_rate_hz, NULL, "Rate of the baseband.", NULL},
    {"instruction_set", downconverter_instruction_set, NULL, "The instruction set in use.", NULL},
    {"group_delay_frames", downconverter_group_delay_frames, NULL,
     "PCM frames by which a sample's content lies before the newest frame that went into it.", NULL},
    {0},
};

static PyType_Slot downconverter_slots[] = {
    {Py_tp_new, downconverter_new},         {Py_tp_dealloc, downconverter_dealloc},
    {Py_tp_methods, downconverter_methods}, {Py_tp_getset, downconverter_properties},
    {Py_tp_doc, (void *)downconverter_doc}, {0, NULL},
};

PyType_Spec pp_downconverter_type = {
    .name = "appliance.dsp._core.DownConverter",
    .basicsize = sizeof(pp_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = downconverter_slots,
};
